"""Generated from protos/city_brain/wire/observation; the version is part of the package name."""
