"""Generated from protos/city_brain/wire/incident/v1."""
