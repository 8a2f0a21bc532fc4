"""The vector species that synthetic barcodes show, with the sentences a report says of each."""

from __future__ import annotations

from workbench.modality import Finding

FINDINGS: tuple[Finding, ...] = (
    Finding(
        "Anopheles gambiae",
        statements=(
            "The mosquito was identified as Anopheles gambiae.",
            "COI barcode of the specimen matches Anopheles gambiae, a malaria vector.",
            "DNA barcoding assigns the bite mosquito to Anopheles gambiae sensu lato.",
            "Sequence identity is highest with Anopheles gambiae.",
            "The submitted mosquito is an African malaria mosquito, Anopheles gambiae.",
            "Anopheles gambiae confirmed by COI sequencing of one leg.",
        ),
        denials=(
            "No Anopheles gambiae was found among the trapped mosquitoes.",
            "The barcode excludes Anopheles gambiae.",
            "The specimen is not Anopheles gambiae.",
        ),
    ),
    Finding(
        "Aedes aegypti",
        statements=(
            "The mosquito was identified as Aedes aegypti.",
            "COI barcode matches Aedes aegypti, the yellow fever mosquito.",
            "The specimen from the ovitrap is Aedes aegypti, a vector of dengue.",
            "DNA barcoding assigns the specimen to Aedes aegypti.",
            "Sequence analysis of the captured mosquito indicates Aedes aegypti.",
            "Aedes aegypti confirmed by mitochondrial barcode.",
        ),
        denials=(
            "No Aedes aegypti was detected in the ovitrap.",
            "The barcode rules out Aedes aegypti.",
            "The specimen does not belong to Aedes aegypti.",
        ),
    ),
    Finding(
        "Culex pipiens",
        statements=(
            "The mosquito was identified as Culex pipiens.",
            "COI barcode matches Culex pipiens, the common house mosquito.",
            "DNA barcoding assigns the indoor mosquito to the Culex pipiens complex.",
            "The specimen is a northern house mosquito, Culex pipiens.",
            "Sequence identity is highest with Culex pipiens, a West Nile virus vector.",
            "Culex pipiens confirmed by sequencing of the barcode region.",
        ),
        denials=(
            "No Culex pipiens was found.",
            "The sequence is not compatible with Culex pipiens.",
            "Culex pipiens is excluded by the barcode.",
        ),
    ),
    Finding(
        "Ixodes ricinus",
        statements=(
            "The removed tick was identified as Ixodes ricinus.",
            "COI barcode of the tick matches Ixodes ricinus, the castor bean tick.",
            "The attached tick is Ixodes ricinus, a vector of Lyme borreliosis.",
            "DNA barcoding assigns the engorged nymph to Ixodes ricinus.",
            "Tick from the left groin: Ixodes ricinus by mitochondrial sequence.",
            "Ixodes ricinus confirmed by COI sequencing.",
        ),
        denials=(
            "The removed tick was not Ixodes ricinus.",
            "The barcode excludes Ixodes ricinus.",
            "No Ixodes ricinus among the submitted ticks.",
        ),
    ),
    Finding(
        "Anopheles stephensi",
        statements=(
            "The mosquito was identified as Anopheles stephensi.",
            "COI barcode matches the urban malaria vector Anopheles stephensi.",
            "DNA barcoding assigns the specimen to Anopheles stephensi, an invasive species.",
            "Sequence identity is highest with Anopheles stephensi.",
            "The larva from the water tank is Anopheles stephensi.",
            "Anopheles stephensi confirmed by barcode of the COI gene.",
        ),
        denials=(
            "No Anopheles stephensi was found in the water tank.",
            "The barcode excludes Anopheles stephensi.",
            "The specimen is not Anopheles stephensi.",
        ),
    ),
    Finding(
        "Dermacentor reticulatus",
        statements=(
            "The removed tick was identified as Dermacentor reticulatus.",
            "COI barcode of the tick matches Dermacentor reticulatus, the ornate dog tick.",
            "The tick from the scalp is Dermacentor reticulatus, a vector of TIBOLA.",
            "DNA barcoding assigns the adult female tick to Dermacentor reticulatus.",
            "Sequence identity is highest with Dermacentor reticulatus.",
            "Dermacentor reticulatus confirmed by mitochondrial barcode.",
        ),
        denials=(
            "The removed tick was not Dermacentor reticulatus.",
            "The barcode excludes Dermacentor reticulatus.",
            "No Dermacentor reticulatus among the submitted ticks.",
        ),
    ),
)
