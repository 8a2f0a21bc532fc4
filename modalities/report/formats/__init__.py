"""The file formats a report may come in, one file each."""
