"""`city-brain check`: what would be refused of a file, and why, before anything runs."""

from city_brain.cli.checking.command import register

__all__ = ["register"]
