"""What programs say to each other, generated from `protos/` by `make protos` and never edited by hand."""
