"""Generated from protos/city_brain/wire/feed/v1."""
