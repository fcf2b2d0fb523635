"""Cameras as they watch: streams that are read beside us, frame by frame, and pictures that are judged."""
