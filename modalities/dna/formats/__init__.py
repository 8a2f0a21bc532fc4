"""One reader per barcode format, each a stream of records."""
