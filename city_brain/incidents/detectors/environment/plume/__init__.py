"""Plumes: which sensors stand in bad air, what explains it, and where it comes from."""
