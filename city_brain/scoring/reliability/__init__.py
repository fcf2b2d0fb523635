"""What a confidence is worth: of the incidents announced at about p, which share was real.

The promise is about the confidence of the first announcement, since that is what somebody acts on. The surest and the
last revision are judged beside it. What is real and what a false alarm is, the score decides: an incident that was
found counts as real, a false alarm as not; duplicates, related types and what counts for nothing are left out, counted.
"""

from city_brain.scoring.reliability.diagram import diagram
from city_brain.scoring.reliability.figures import (
    Moment,
    Reliability,
    ReliabilityBin,
    ReliabilityReport,
    reliability,
    reliability_worlds,
)
from city_brain.scoring.reliability.table import reliability_table

__all__ = [
    "Moment",
    "Reliability",
    "ReliabilityBin",
    "ReliabilityReport",
    "diagram",
    "reliability",
    "reliability_table",
    "reliability_worlds",
]
