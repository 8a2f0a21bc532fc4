"""One folder per data type, each a plugin like any stranger's."""
