"""Generated from protos/city_brain/wire/feed; the version is part of the package name."""
