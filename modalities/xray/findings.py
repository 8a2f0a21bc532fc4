"""The findings that `synthesize` can plant, with the sentences radiologists write about them."""

from __future__ import annotations

from workbench.modality import Finding

FINDINGS = (
    Finding(
        "normal chest",
        (
            "The lungs are clear.",
            "No acute cardiopulmonary process.",
            "Normal chest radiograph.",
            "Heart size and mediastinal contours are within normal limits and the lungs are clear.",
            "Unremarkable PA view of the chest.",
            "Lungs are well expanded without focal abnormality, and the heart is of normal size.",
            "No acute abnormality of the chest is seen.",
        ),
        (
            "The chest radiograph is abnormal.",
            "This is not a normal study.",
            "The examination is abnormal as described.",
        ),
    ),
    Finding(
        "pleural effusion",
        (
            "There is a unilateral pleural effusion.",
            "Blunting of the costophrenic angle is consistent with pleural fluid.",
            "A moderate pleural effusion layers at the lung base.",
            "Basal opacity with a meniscus sign indicates an effusion.",
            "Fluid is seen in the pleural space with a concave upper border.",
            "The hemidiaphragm is obscured by a pleural effusion.",
            "Small to moderate effusion on one side.",
        ),
        (
            "No pleural effusion.",
            "The costophrenic angles are sharp.",
            "There is no evidence of pleural fluid.",
            "Neither pleural space contains an effusion.",
        ),
    ),
    Finding(
        "pneumothorax",
        (
            "There is a pneumothorax.",
            "A visceral pleural line is seen with no lung markings beyond it.",
            "Partial collapse of one lung due to air in the pleural space.",
            "Moderate unilateral pneumothorax without mediastinal shift.",
            "Apicolateral lucency without vessels is consistent with a pneumothorax.",
            "Pleural air separates the lung from the chest wall.",
            "The lung is partly collapsed towards the hilum by a pneumothorax.",
        ),
        (
            "No pneumothorax.",
            "There is no evidence of pneumothorax.",
            "No visceral pleural line is identified.",
            "Lung markings reach the chest wall on both sides.",
        ),
    ),
    Finding(
        "cardiomegaly",
        (
            "The heart is enlarged.",
            "Cardiomegaly is present.",
            "The cardiac silhouette is markedly widened.",
            "The cardiothoracic ratio exceeds one half.",
            "Moderate to severe enlargement of the cardiac silhouette.",
            "Enlarged heart, transverse diameter more than half of the thorax.",
            "There is cardiac enlargement.",
        ),
        (
            "The heart is not enlarged.",
            "No cardiomegaly.",
            "Heart size is normal.",
            "The cardiothoracic ratio is below one half.",
        ),
    ),
)
