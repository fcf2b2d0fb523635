"""Recordings with what is expected of them: beside NAME.mcap the revisions of its incidents, and a digest.

NAME.incidents.jsonl holds canonical lines in the order in which they were said, to be read in a review, and
NAME.golden.json the digest over all ticks and where it comes from. Nobody writes them by hand.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from city_brain import __version__
from city_brain.errors import RecordingError, SettingsError
from city_brain.incidents.incident import Incident, incident_line, read_incident
from city_brain.playback.comparing.differing import Differences, differences
from city_brain.playback.opening import open_played
from city_brain.replay.comparing import announced

INCIDENTS: Final = ".incidents.jsonl"
GOLDEN: Final = ".golden.json"


class Golden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected, beside the incidents."""

    digest: str
    """Tree head (RFC 6962) over the lines of all ticks."""
    ticks: int
    revisions: int
    versions: dict[str, str]
    """Hashes of map, types and settings, as the last tick names them."""
    made_with: str
    """The version of city-brain."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording agrees with what is expected; `differs` is empty where every byte does."""

    name: str
    digest: str
    differs: str
    incidents: Differences


def goldens(places: Sequence[Path]) -> Iterator[Path]:
    """The recordings that something is expected of: those named, and those in folders named, by name."""
    for place in places:
        found = sorted(place.glob(f"*{GOLDEN}")) if place.is_dir() else [place.with_suffix(GOLDEN)]
        if not found:
            raise SettingsError(f"{place}: wanted recordings with a {GOLDEN}, got none; city-brain bag golden add")
        yield from (path.with_name(path.name.removesuffix(GOLDEN) + ".mcap") for path in found)


def add(recording: Path) -> Golden:
    """Writes down what a recording says as what is expected of it; raises SettingsError where that stands already."""
    for path in _beside(recording):
        if path.exists():
            raise SettingsError(f"{path}: wanted none yet, got one; city-brain bag golden bless renews it")
    said, golden = _played(recording)
    _write(recording, said, golden)
    return golden


def check(recording: Path) -> Checked:
    """Plays a recording and holds it against what is expected."""
    return _checked(recording, *_played(recording))


def bless(recording: Path) -> Checked:
    """The same, and what it says is expected from now on."""
    said, golden = _played(recording)
    checked = _checked(recording, said, golden)
    _write(recording, said, golden)
    return checked


def _checked(recording: Path, said: list[Incident], golden: Golden) -> Checked:
    incidents, beside = _beside(recording)
    try:
        wanted = msgspec.json.decode(beside.read_bytes(), type=Golden)
        expected = [read_incident(line) for line in incidents.read_bytes().splitlines()]
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise RecordingError(f"{beside}: wanted what is expected of {recording.name}, got: {wrong}") from wrong
    differs = ""
    if golden.digest != wanted.digest:
        changed = [name for name in sorted(golden.versions) if golden.versions[name] != wanted.versions.get(name)]
        why = f"; other {', '.join(changed)} than when it was blessed" if changed else ""
        differs = f"wanted {_told(wanted)}, got {_told(golden)}{why}"
    elif list(map(incident_line, said)) != list(map(incident_line, expected)):
        differs = f"{incidents.name}: wanted the revisions that its digest stands for, got others"
    return Checked(
        name=recording.stem, digest=golden.digest, differs=differs,
        incidents=differences(announced(expected), announced(said)),
    )  # fmt: skip


def _told(golden: Golden) -> str:
    return f"{golden.ticks} ticks with digest {golden.digest[:16]}"


def _played(recording: Path) -> tuple[list[Incident], Golden]:
    """All revisions that a recording says, and what else is expected of it."""
    played, said, versions = open_played(recording), list[Incident](), dict[str, str]()
    for tick in played.ticks():
        said += tick.said.record.incidents
        versions = tick.said.record.versions
    head = played.head
    golden = Golden(
        digest=head.digest().hex(), ticks=head.size, revisions=len(said), versions=versions, made_with=__version__
    )
    return said, golden


def _beside(recording: Path) -> tuple[Path, Path]:
    return recording.with_suffix(INCIDENTS), recording.with_suffix(GOLDEN)


def _write(recording: Path, said: list[Incident], golden: Golden) -> None:
    incidents, beside = _beside(recording)
    try:
        incidents.write_bytes(b"".join(incident_line(one) + b"\n" for one in said))
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(golden, order="sorted"), indent=2) + b"\n")
    except OSError as wrong:
        raise RecordingError(f"{wrong.filename}: wanted to write what is expected, got: {wrong.strerror}") from wrong
