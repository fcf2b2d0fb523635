"""`city-brain demo`: a small city of our own goes the whole way, and everything printed is computed on the spot.

`pixels` draws one camera and looks at it, `journey` runs the world and leaves its files on disk, `choosing` picks what
is worth telling, `again` reads it in other ways, `telling` and `judging` print, `story` has the order; `command` has
the options.
"""

from city_brain.cli.demo.command import register

__all__ = ["register"]
