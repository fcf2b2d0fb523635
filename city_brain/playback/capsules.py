"""One incident in one file: the state before its first evidence, the records up to its end, and what was said of it.

A capsule is a recording that begins in the middle: `control` whole, the state of the stages as an attachment, then the
records behind it. Played anywhere it says the same bytes, and the head over all ticks is that of the whole recording.
"""

from collections.abc import Callable, Iterable
from itertools import chain, islice
from pathlib import Path

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.reading import Recording
from city_brain.bag.records import Record
from city_brain.bag.writing import RecordingWriter
from city_brain.errors import RecordingError
from city_brain.incidents.incident import Incident
from city_brain.kafka.topics import CONTROL, INCIDENTS
from city_brain.playback.control.stepping import Playback
from city_brain.playback.editing.copying import Copier, check_new, items, whole_segments
from city_brain.playback.opening import open_played
from city_brain.playback.played import Played
from city_brain.playback.recorded_city import CAPSULE, CITY, SETTINGS
from city_brain.playback.state import ATTACHED, StreetState


class Capsule(msgspec.Struct, frozen=True, kw_only=True):
    """What a capsule holds. Ticks are numbered from 1, as the whole recording closes them."""

    incident_id: str
    number: str
    type: str
    first_tick: int
    """The first that is played."""
    last_tick: int
    records: int
    state_bytes: int
    digest: str
    """Tree head over all ticks of the recording up to the last of these."""


class _Life(msgspec.Struct):
    """What a play tells of an incident: its revisions, and the number of the tick that brought the last of them.
    `rests`: number and log time of each tick behind which the stages rest.
    """

    revisions: list[Incident]
    rests: list[tuple[int, int]]
    last: int = 0


def encapsulate(path: Path, incident: str, out: Path, before_s: float, told: Callable[[str], None]) -> Capsule:
    """Writes the incident of a recording, by its id or number, into a new file, with the records of `before_s` seconds
    before its first evidence. Raises RecordingError where the recording says none of that name.
    """
    check_new(out)
    played = open_played(path)
    told("plays the recording")
    life = _live(played, incident)
    earliest_ns = _first_evidence_ns(played, life.revisions)
    begin_ns = earliest_ns - round(before_s * 1e9)
    number = max((rest for rest, log_ns in life.rests if log_ns < begin_ns), default=0)
    last, end_ns = next(((rest, log_ns) for rest, log_ns in life.rests if rest >= life.last), life.rests[-1])
    told("plays it to the state before the first evidence")
    state, lines = _state_at(played, number), list[bytes]()
    for tick in islice(played.ticks(state), last - number):
        lines.append(tick.line)
    newest = life.revisions[-1]
    capsule = Capsule(
        incident_id=newest.incident_id, number=newest.number, type=newest.type, first_tick=number + 1, last_tick=last,
        records=0, state_bytes=0 if state is None else len(state.to_bytes()), digest=played.head.digest().hex(),
    )  # fmt: skip
    told("writes the capsule")
    return _write(played, out, capsule, state, end_ns, lines)


def _live(played: Played, incident: str) -> _Life:
    if played.begins_with is not None:
        raise RecordingError(f"{played.path}: wanted a whole recording to take an incident out of, got a capsule")
    life = _Life([], [])
    for number, tick in enumerate(played.ticks(), 1):
        mine = [one for one in tick.said.record.incidents if incident in (one.incident_id, one.number)]
        life.revisions += mine
        life.last = number if mine else life.last
        if played.at_rest:
            life.rests.append((number, tick.log_ns))
    if not life.revisions:
        raise RecordingError(f"{played.path}: wanted incident {incident}, by id or number, got none of that name")
    return life


def _first_evidence_ns(played: Played, revisions: Iterable[Incident]) -> int:
    """The log time of the first record that any revision rests on."""
    positions = {(raw, offset) for one in revisions for item in one.evidence for raw, offset, _ in item.rows}
    found = played.arrived_ns(positions)
    if found is None:
        raise RecordingError(f"{played.path}: wanted an incident with rows that speak for it, got one without")
    return found


def _state_at(played: Played, number: int) -> StreetState | None:
    """The state behind a tick; None before the first."""
    if number == 0:
        return None
    playback = Playback(played)
    playback.seek(number)
    return playback.state()


def _write(
    played: Played, out: Path, capsule: Capsule, state: StreetState | None, end_ns: int, lines: list[bytes]
) -> Capsule:
    prefix = played.recorded.topic_prefix
    told = msgspec.to_builtins(capsule)
    with Recording(played.path) as recording:
        metadata = {CITY: recording.metadata[CITY], CAPSULE: {name: str(value) for name, value in told.items()}}
        settings = recording.attachment(SETTINGS).data
    with RecordingWriter(out, metadata=metadata) as writer:
        copier = Copier(writer)
        _attach(writer, SETTINGS, "application/toml", settings)
        if state is not None:
            _attach(writer, ATTACHED, "application/octet-stream", state.to_bytes())
        for item in chain.from_iterable(map(items, whole_segments(played.path))):
            record = item.said
            if record.log_ns > end_ns:
                break
            if isinstance(record, Record) and _belongs(record, prefix, -1 if state is None else state.log_ns):
                copier.write(copier.channel(item), record)
        said = writer.channel(prefix + INCIDENTS, 0)
        for offset, line in enumerate(lines):
            writer.write(said, offset, line, timestamp_ms=0, log_ns=end_ns)
    return msgspec.structs.replace(capsule, records=copier.written)


def _belongs(record: Record, prefix: str, after_ns: int) -> bool:
    """What was said stands in the capsule as it is played; of what the city was told nothing may be missing."""
    return record.topic != prefix + INCIDENTS and (record.log_ns > after_ns or record.topic == prefix + CONTROL)


def _attach(writer: RecordingWriter, name: str, media_type: str, data: bytes) -> None:
    writer.attach(Attachment(log_ns=0, created_ns=0, name=name, media_type=media_type, data=data))
