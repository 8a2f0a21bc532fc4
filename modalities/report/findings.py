"""The findings that synthetic reports state or deny, with their sentences."""

from __future__ import annotations

from workbench.modality import Finding

# Every statement has a denial that uses the same words of content, so that a report cannot be
# understood by the words it holds: only by which of them are negated.
FINDINGS: tuple[Finding, ...] = (
    Finding(
        "pleural effusion",
        (
            "There is a pleural effusion on the right.",
            "A small left pleural effusion is present.",
            "Blunting of the costophrenic angle indicates pleural fluid.",
            "Moderate pleural effusion is seen at the base.",
            "Layering pleural fluid is noted on the left.",
            "The costophrenic angle is blunted by an effusion.",
            "Findings are in keeping with pleural effusion.",
        ),
        (
            "There is no pleural effusion on the right or left.",
            "No small pleural effusion is present.",
            "No blunting of the costophrenic angle to indicate pleural fluid.",
            "Pleural effusion is not seen at either base.",
            "No layering pleural fluid is noted.",
            "The costophrenic angle is not blunted and there is no effusion.",
        ),
    ),
    Finding(
        "pneumothorax",
        (
            "There is a pneumothorax at the right apex.",
            "A small apical pneumothorax is present.",
            "A visible pleural line indicates pneumothorax on the left.",
            "Pneumothorax is seen along the lateral chest wall.",
            "Pleural air is noted at the apex.",
            "The lung has collapsed away from the chest wall.",
            "Findings are in keeping with pneumothorax.",
        ),
        (
            "There is no pneumothorax at the right or left apex.",
            "No small apical pneumothorax is present.",
            "No visible pleural line to indicate pneumothorax.",
            "Pneumothorax is not seen along the lateral chest wall.",
            "No pleural air is noted at the apex.",
            "The lung has not collapsed away from the chest wall.",
        ),
    ),
    Finding(
        "cardiomegaly",
        (
            "There is cardiomegaly.",
            "The heart is enlarged.",
            "The cardiac silhouette is increased in size.",
            "Enlargement of the cardiac silhouette is seen.",
            "The cardiothoracic ratio is above the normal limit.",
            "Mild cardiomegaly is present.",
            "Findings are in keeping with cardiomegaly.",
        ),
        (
            "There is no cardiomegaly.",
            "The heart is not enlarged.",
            "The cardiac silhouette is not increased in size.",
            "No enlargement of the cardiac silhouette is seen.",
            "The cardiothoracic ratio is not above the normal limit.",
            "No mild cardiomegaly is present.",
        ),
    ),
    Finding(
        "consolidation",
        (
            "There is consolidation in the right lower lobe.",
            "A focal airspace opacity is present in the left upper lobe.",
            "Air bronchograms indicate consolidation.",
            "Consolidation is seen in the middle lobe.",
            "A patchy airspace opacity is noted at the base.",
            "The lower lobe is opacified.",
            "Findings are in keeping with consolidation.",
        ),
        (
            "There is no consolidation in the right or left lower lobe.",
            "No focal airspace opacity is present in the upper lobe.",
            "No air bronchograms to indicate consolidation.",
            "Consolidation is not seen in the middle lobe.",
            "No patchy airspace opacity is noted at the base.",
            "The lower lobe is not opacified.",
        ),
    ),
)
