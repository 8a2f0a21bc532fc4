"""Training objectives, each an entry (options, papers, needs) beside the loss it describes."""
