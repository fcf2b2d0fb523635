"""The cities on which confidence is fitted and judged: seeds, and what varies with them."""

from typing import Final

SPLITS: Final = {"fit": range(5001, 5049), "held-out": range(6001, 6033)}
"""Nothing is set by the held-out seeds."""
_REPORTS, _GARBAGE = (0.8, 0.8, 0.0, 2.0), (0.0006, 0.003, 0.01)
_INCIDENTS, _DISTRACTORS = (60, 60, 60, 30, 90), (90, 90, 45, 150)


def options(seed: int) -> list[str]:
    """What `city-brain synth` is told besides the seed: 20 to 40 cameras, 20 to 30 minutes, garbage, callers, rates."""
    varied = {
        "cameras": 20 + seed * 7 % 21,
        "minutes": 20 + seed * 3 % 11,
        "reports": _REPORTS[seed % len(_REPORTS)],
        "garbage": _GARBAGE[seed % len(_GARBAGE)],
        "incidents": _INCIDENTS[seed % len(_INCIDENTS)],
        "distractors": _DISTRACTORS[seed // 4 % len(_DISTRACTORS)],
    }
    return [word for name, value in varied.items() for word in (f"--{name}", str(value))]
