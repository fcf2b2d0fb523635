"""Exit codes of `city-brain`; 0 is ok."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
DATA_LOST: Final = 3
OUTPUTS_DIFFER: Final = 4
INTERRUPTED: Final = 130
