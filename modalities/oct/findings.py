"""The findings that `synthesize` plants, with the sentences that state or deny each."""

from __future__ import annotations

from workbench.modality import Finding

FINDINGS = (
    Finding(
        "normal macula",
        (
            "Normal foveal contour with intact retinal layers.",
            "Unremarkable macular OCT in this eye.",
            "The macula has normal thickness and layering.",
            "Preserved foveal depression, continuous ellipsoid zone and retinal pigment epithelium.",
            "No macular pathology is seen on optical coherence tomography.",
            "OCT of the macula is within normal limits.",
            "Healthy macula without structural change.",
        ),
        (
            "The macula is not normal.",
            "Macular architecture is abnormal.",
            "OCT is outside normal limits.",
        ),
    ),
    Finding(
        "drusen",
        (
            "Multiple drusen are present beneath the retinal pigment epithelium.",
            "Several medium-sized soft drusen elevate the pigment epithelium.",
            "Drusenoid deposits with undulation of the RPE line.",
            "Findings of dry age-related macular degeneration with drusen.",
            "Dome-shaped sub-RPE deposits consistent with drusen.",
            "Extracellular deposits lift the RPE at several places; drusen.",
            "OCT shows numerous drusen in the macula.",
        ),
        (
            "No drusen are seen.",
            "The retinal pigment epithelium is smooth without drusen.",
            "There is no evidence of sub-RPE deposits.",
            "Negative for drusen.",
        ),
    ),
    Finding(
        "intraretinal fluid",
        (
            "Intraretinal fluid with cystoid spaces in the macula.",
            "Cystoid macular edema is present.",
            "Hyporeflective cysts within the inner nuclear and outer plexiform layers.",
            "Multiple intraretinal cystoid spaces consistent with macular edema.",
            "OCT demonstrates intraretinal fluid.",
            "Active exudation with intraretinal cysts.",
            "Several fluid-filled cysts are visible inside the retina.",
        ),
        (
            "No intraretinal fluid.",
            "There is no cystoid macular edema.",
            "The retina is dry, without intraretinal cysts.",
            "Negative for intraretinal fluid.",
        ),
    ),
    Finding(
        "macular hole",
        (
            "Full-thickness macular hole.",
            "There is a full-thickness defect of the foveal neuroretina.",
            "A macular hole with elevated rims is present.",
            "OCT shows a stage 3 macular hole.",
            "Complete interruption of all retinal layers at the fovea, consistent with a macular hole.",
            "Open macular hole exposing the retinal pigment epithelium.",
            "Idiopathic macular hole with rounded edges.",
        ),
        (
            "No macular hole.",
            "There is no full-thickness retinal defect.",
            "The foveal layers are continuous, without a macular hole.",
            "Negative for macular hole.",
        ),
    ),
)
