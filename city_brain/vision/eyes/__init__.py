"""Frames of cameras in, observations out: of one camera over a recording, or of many live ones at once.

rows     what is told of a camera, as observations whose numbers rise
eyes     one camera: gate, tracker, ground; and the frames of several through the network together
health   what is to be told of a camera itself, and when
lookout  many live cameras: the newest frame of each
"""

from city_brain.vision.eyes.eyes import Eyes, EyesCounters, Seen, see_together

__all__ = ["Eyes", "EyesCounters", "Seen", "see_together"]
