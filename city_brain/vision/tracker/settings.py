"""What steers a tracker: scores, overlaps, gaps and limits, each with its unit and its reason."""

import math

import msgspec

from city_brain.errors import SettingsError


class TrackerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one tracker; raises SettingsError where they contradict each other.

    `high_score`: boxes from here on may start a track and find a lost one again; those from `low_score` on only carry
    a track on through a moment of poor sight (ByteTrack's second pass). `least_overlap` and `least_overlap_low` are the
    IoU that a pair of the first and of the second pass needs. `gap_s`: a track that no box was given for longer has
    ended. `confirm_boxes`: a track is told from its so many-th box on, so that a false box of one frame is no track.
    `most_tracks`: further boxes start none; a track takes about 400 bytes.
    """

    high_score: float = 0.4
    low_score: float = 0.1
    least_overlap: float = 0.2
    least_overlap_low: float = 0.4
    gap_s: float = 2.0
    confirm_boxes: int = 3
    most_tracks: int = 500

    def __post_init__(self) -> None:
        ranges = {
            "high_score": (0.0, 1.0),
            "low_score": (0.0, self.high_score),
            "least_overlap": (0.01, 1.0),
            "least_overlap_low": (0.01, 1.0),
            "gap_s": (0.0, 60.0),
            "confirm_boxes": (1, 100),
            "most_tracks": (1, 10_000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SettingsError(f"tracker: {name}: wanted {low:g} to {high:g}, got {value}")
