"""How good the produced incidents were: detection, precision, time, place, duplicates, against what really happened.

One produced incident is the detection of one true incident: the first in time, of the same type, inside the gates of
place and time. Further ones are duplicates, also under a related type; a related type alone is mistyped (no detection,
no false alarm); what fits only a truth that is marked `ignore` counts for nothing; all the rest are false alarms. Lost
coverage of cameras is scored apart, where the truth knows of it. GOSPA: Rahmathullah et al. 2017, p = 1, alpha = 2,
c = 100 m. S4: the form of track 4 of the AI City Challenge.
"""

from city_brain.scoring.figures import score, score_worlds
from city_brain.scoring.pairs import read_identity, score_pairs
from city_brain.scoring.records import Answer, PairScore, Score, Truth, read_answers, read_truth
from city_brain.scoring.table import table

__all__ = [
    "Answer",
    "PairScore",
    "Score",
    "Truth",
    "read_answers",
    "read_identity",
    "read_truth",
    "score",
    "score_pairs",
    "score_worlds",
    "table",
]
