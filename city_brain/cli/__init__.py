"""The command line: `city-brain COMMAND`; parsing and printing only, one module per command."""

from city_brain.cli.app import main

__all__ = ["main"]
