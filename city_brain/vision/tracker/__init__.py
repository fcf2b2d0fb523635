"""From the boxes of single frames to tracks: one tracker per camera."""
