"""Frames of recordings on this machine, each with its media time; nothing is fetched from anywhere."""
