"""One file per on-disk format of X-rays."""
