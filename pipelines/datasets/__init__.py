"""Dataset adapters: a dataset's own layout in, one manifest table out."""
