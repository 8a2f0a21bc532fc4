"""One file per ECG file format; each turns a path into a `Recording`."""
