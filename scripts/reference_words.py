"""The words of the pipeline reference that no model carries: its introduction, shared option names."""

from __future__ import annotations

INTRODUCTION = """\
# The pipeline file

*Written by `scripts/write_reference.py` from the models that check the file. Do not edit by hand.*

One YAML file says what is read, trained and measured. It is checked whole before anything runs. An
unknown key is refused with its line and the nearest known key. Values follow YAML 1.2: `1e-4` is a
number, `no` is a text, a key that stands twice is an error, and there are no anchors or tags.

Paths start from the folder of the pipeline file. `--set a.b=c` overrides a key; list positions count
from 0, as in `--set evaluate.0.split=val`. `workbench/pipeline.schema.json` gives editors completion.

```yaml
name: ecg-report
seed: 7
manifest:
  path: ecg.csv
modalities:
  ecg:
    column: path
    options: {rate_hz: 100, seconds: 10}
    encoder: {name: vit1d_tiny}
    adapt: {lora: {rank: 16, alpha: 32}}
  report:
    encoder: {name: text_tiny}
    adapt: full
pretrain:
  ecg: {epochs: 5, mask_ratio: 0.5}
align:
  edges: [[ecg, report]]
  objective: {name: contrastive, targets: same_text}
  dim: 128
  epochs: 20
  learning_rate: 1.0e-3
evaluate:
  - {task: retrieval, query: ecg, gallery: report, relation: same_text, k: [1, 5, 10]}
  - {task: probe, query: ecg, label: superclass}
```

`adapt` is one of `full`, `frozen`, `{lora: {...}}` or `{unlock_last: k}`. `align.edges` is `all`,
`cycle` (each modality with the next), `{anchor: NAME}`, or a list of pairs; a pair may carry a weight:
`{query: ecg, candidate: report, weight: 2}`. A name under `align.fuse` stands wherever a modality's may.
"""

MEANINGS: dict[str, str] = {
    # the file
    "Pipeline.name": "name of the run; part of its folder's name",
    "Pipeline.seed": "every random draw derives from it",
    "Pipeline.manifest": "which rows there are",
    "Pipeline.modalities": "what is read and encoded, by name",
    "Pipeline.pretrain": "masked pretraining, by modality",
    "Pipeline.align": "contrastive alignment",
    "Pipeline.evaluate": "list of tasks",
    "Pipeline.controls": "models that every number is printed beside",
    "Pipeline.leakage": "what splits must not share",
    "SplitShares.train": "share of the groups",
    "SplitShares.val": "share of the groups",
    "SplitShares.test": "share of the groups",
    "ModalityConfig.encoder": "which encoder",
    "ModalityConfig.adapt": "what of the encoder is trained",
    "LoraConfig.rank": "rank of the adapters",
    "LoraConfig.alpha": "scale of the adapters; their product is multiplied by alpha / rank",
    "LoraConfig.dropout": "dropout before the adapters",
    # training
    "epochs": "passes over the training rows",
    "batch_size": "rows per step",
    "learning_rate": "highest learning rate",
    "weight_decay": "of AdamW",
    "mask_ratio": "share of the input that is hidden",
    "AlignConfig.edges": "which modalities are compared",
    "AlignConfig.objective": "what is minimised",
    # the contrastive objective
    "ContrastiveOptions.score": "similarity of two vectors",
    "ContrastiveOptions.targets": "which candidates are right: a row's own partner, equal texts, "
    "a shared label, or shared leading ranks",
    "ContrastiveOptions.temperature": "starting temperature",
    "ContrastiveOptions.learn_temperature": "train the temperature (scale at most 100)",
    "ContrastiveOptions.smoothing": "label smoothing",
    "ContrastiveOptions.soft_temperature": "of the likeness that makes soft targets",
    "temperature_per": "one temperature for all edges, or one per edge",
    "temperature": "starting temperature",
    "learn_temperature": "train the temperature",
    "learn_bias": "train the bias",
    "SumOptions.parts": "objectives by name, each with its options and a `weight`",
    "score": "must be the score the model was trained with",
    "AlignConfig.batches": "which rows meet in a batch",
    "WeightedEdge.query": "modality or fused name",
    "WeightedEdge.candidate": "modality or fused name",
    "weight": "how much it counts beside the others",
    # tasks
    "query": "modality that asks",
    "gallery": "modality that is searched",
    "anchor": "modality that reads the prompts",
    "label": "label column of the manifest",
    "labels": "one label per row, or several joined by `|`",
    "uncertain": "what a label that ends in `?` counts as",
    "split": "split that is scored",
    "train_split": "split the learner is fitted on",
    "val_split": "split that chooses C",
    "gallery_split": "split that is searched",
    "min_positives": "multi-label: a label with fewer positives or negatives is left out",
    "prompts": "prompt set: a YAML file, or the set itself",
    "classes": "prompts made from manifest columns, instead of a prompt set",
    "aggregate": "how a class's prompts become one score; the prompt set's own by default",
    "k": "cut-offs, or numbers of neighbours",
    "by": "vectors used: encoder `features`, shared-space `values`",
    "c": "inverse regularisation strengths to choose from",
    "iterations": "most iterations of the solver",
    "RetrievalOptions.relation": "what counts as found; see [evaluation](evaluation.md)",
    "RetrievalOptions.text": "text column of same_text; the gallery's own by default",
    "RetrievalOptions.ranks": "columns from the top down, for same_taxon",
    "RetrievalOptions.rank": "the rank compared; the last by default",
    "RetrievalOptions.match": "label sets: one shared label, or all equal",
    "RetrievalOptions.merge": "join gallery items of equal content into one entry",
    "RetrievalOptions.exclude": "what a query must not see: itself, its group, nothing",
    "RetrievalOptions.no_positive": "queries without a positive are left out, or are misses",
    "RetrievalOptions.both_directions": "also search the other way round",
    "RetrievalOptions.at_gallery": "also expect hit@k in smaller galleries of these sizes",
    "of": "the task whose answers are looked at, with its options, as under `evaluate:`",
    "CalibrationOptions.temperature": "divides scores before they become probabilities",
    "CalibrationOptions.val_split": "split that recalibration is fitted on",
    "ThresholdOptions.val_split": "split that the threshold comes from",
    "ZeroShotOptions.temperature": "divides scores before they become probabilities",
    "CalibrationOptions.recalibrate": "what is fitted on validation, printed before and after",
    "DiagnosticsOptions.neighbours": "how many nearest are counted for hubness",
    "DiagnosticsOptions.components": "how many principal components the explained share is over",
    "DiagnosticsOptions.most": "most rows; more are drawn from",
    "MismatchOptions.share": "share of the pairs that are swapped to see whether they are found",
    "columns": "manifest columns; `presence` is which modalities a row holds",
    "bands": "by column, the limits that cut numbers into bands",
    "metrics": "which numbers",
    "least_groups": "a part with fewer groups is suppressed, and listed",
    "leave_out": "column, such as a site: numbers without each of its values",
    "permutations": "of a paired comparison",
    "ThresholdOptions.rule": "what the threshold is best at, on validation",
    "ThresholdOptions.positive": "the class that counts as positive, of two",
    "ThresholdOptions.prevalences": "prevalences that PPV and NPV are restated at",
    # the ECG modality and its encoders
    "preset": "a published input contract; keys written beside it win",
    "baseline": "what is subtracted from every lead",
    "normalise": "how values are scaled",
    "lead_order": "order of the rows",
    "width": "feature width",
    "depth": "blocks",
    "heads": "attention heads",
    "stages": "stages of blocks",
    "groups": "groups of the group norm",
    # dataset adapters
    "subjects": "people in the cohort",
    "seed": "of every draw",
}
