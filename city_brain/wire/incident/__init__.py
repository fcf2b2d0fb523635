"""Generated from protos/city_brain/wire/incident; the version is part of the package name."""
