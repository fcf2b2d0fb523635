"""The city map: where cameras, lanes, signals and sensors stand."""
