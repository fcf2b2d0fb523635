"""Tracks of single cameras, and the objects on the ground that they are joined into."""
