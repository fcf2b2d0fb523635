"""The primitives that incident types are made of, one file each."""
