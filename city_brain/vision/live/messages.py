"""What a camera and the child that reads it say to each other: an errand, then lines of JSON, and slots given back.

Frames themselves go through memory that both hold: three slots, each of which belongs to one side at a time. The child
fills one of its own and tells it; from then on it is the camera's, until the camera gives it back as a byte.
"""

from typing import Final, TypeAlias

import msgspec

from city_brain.vision.frames.limits import MOST_PIXELS

MEMORY_BYTES: Final = 2**30
"""Of the child's addresses, with Python and all libraries."""
SLOTS: Final = 3
"""One that is filled, one that was told, one that is read."""
SLOT_BYTES: Final = 3 * MOST_PIXELS + -(3 * MOST_PIXELS) % 65_536
"""Where the next slot begins; memory is only taken for what was written."""
MOST_LINE_BYTES: Final = 65_536
MOST_FAILURE: Final = 500
"""Characters of a failure that are told."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is told in its first line, on standard input: never as an argument, which others can read."""

    place: str
    """What the camera is called in messages."""
    address: str
    """Empty for a file or folder."""
    path: str
    """Absolute; empty for an address."""
    user: str
    password: str
    schemes: tuple[str, ...]
    networks: tuple[str, ...]
    tls_ca: str
    """Absolute; empty: the authorities of the system."""
    every_ms: int
    read_timeout_s: float
    memory: int
    """Descriptor of the slots."""


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag="picture"):
    """A frame is in a slot; `read` counts the frames that have come to this child, this one among them."""

    slot: int
    width: int
    height: int
    media_ms: int
    arrived_ms: int
    event_ms: int
    read: int


class Alive(msgspec.Struct, frozen=True, kw_only=True, tag="alive"):
    """Nothing to look at has come for a moment."""

    read: int


class Connected(msgspec.Struct, frozen=True, kw_only=True, tag="connected"):
    """The first frame of a connection has come."""


class Lost(msgspec.Struct, frozen=True, kw_only=True, tag="lost"):
    """A connection, or an attempt at one, is over; the child goes on trying."""

    read: int
    failure: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """A recording is over, for good; `failure` is empty where all of it was played."""

    read: int
    failure: str


Message: TypeAlias = Picture | Alive | Connected | Lost | Ended
