"""Generated from protos/city_brain/wire/observation/v1."""
