"""The back-test gate: what other incident types would have said of past days, and whether a policy lets them pass."""

from city_brain.playback.gating.answers import Said, hear
from city_brain.playback.gating.judging import Change, Judged, Kind, judge
from city_brain.playback.gating.policy import Bounds, Policy, read_policy
from city_brain.playback.gating.reporting import markdown

__all__ = ["Bounds", "Change", "Judged", "Kind", "Policy", "Said", "hear", "judge", "markdown", "read_policy"]
