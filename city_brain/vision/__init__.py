"""Pixels to detections: what a network is, what it says of a frame, and where on the ground that is."""
