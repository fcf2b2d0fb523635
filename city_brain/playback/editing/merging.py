"""Merging: recordings of one city, or of anything else, into one, in the order of log times.

A record that several hold is written once, where it came first, and must be the same in all that Kafka knows of it. So
two recorders of one city make one recording, and what one of them lacks the other may have.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from heapq import merge as merged
from itertools import combinations, groupby
from pathlib import Path

from city_brain.bag.reading import Recording
from city_brain.bag.records import Note, Record
from city_brain.bag.writing import OWN_NAMES, RecordingWriter
from city_brain.canonical import content_id
from city_brain.errors import RecordingError
from city_brain.playback.editing.copying import (
    EDITED,
    Copier,
    Edited,
    Item,
    callers_metadata,
    check_new,
    edited,
    items,
    whole_segments,
)
from city_brain.playback.editing.running import Runs
from city_brain.playback.recorded_city import CITY
from city_brain.playback.state import ATTACHED

Place = tuple[str, int]
_OF_THE_MAKER = "version"
"""What the words of recordings of one city may differ in."""


def merge(paths: Sequence[Path], out: Path, progress: Callable[[Edited], None] = lambda _: None) -> Edited:
    """Writes all records of the recordings that begin with the files `paths`. RecordingError: they do not go together,
    as when two cities, or two records of one offset, differ; or one cannot be read, or not written.
    """
    check_new(out)
    metadata, city = _common(paths)
    with Recording(city) as first:
        runs = Runs(first)
    shared, told = _Shared(paths), Edited()
    names = ",".join(path.name for path in paths)
    with RecordingWriter(out, metadata=edited(metadata, "merge", recordings=names)) as writer:
        copier = Copier(writer, runs)
        for path in paths:
            for segment in whole_segments(path):
                copier.attach(segment)
        streams = [_numbered(path, number) for number, path in enumerate(paths)]
        in_order = merged(*streams, key=lambda pair: pair[1].said.log_ns)
        for _, tied in groupby(in_order, key=lambda pair: pair[1].said.log_ns):
            written = told.written
            for number, item in tied:
                _take(item, paths[number], copier, shared, told)
            told.ties += max(told.written - written - 1, 0)
            if told.read % 1024 == 0:
                progress(told)
    told.why_not = runs.why_not()
    return told


def _take(item: Item, path: Path, copier: Copier, shared: "_Shared", told: Edited) -> None:
    if isinstance(item.said, Note):
        copier.note(item.said)
        return
    told.read += 1
    if shared.is_new(item.said, path):
        copier.write(copier.channel(item), item.said)
        told.written += 1
    else:
        told.repeated += 1


def _numbered(path: Path, number: int) -> Iterator[tuple[int, Item]]:
    for segment in whole_segments(path):
        for item in items(segment):
            yield number, item


class _Shared:
    """What was written of partitions that several recordings hold, by what it says: about 150 bytes a record."""

    def __init__(self, paths: Sequence[Path]) -> None:
        spans: dict[Place, dict[int, list[int]]] = {}
        for number, path in enumerate(paths):
            for segment in whole_segments(path):
                index = segment.offset_index()
                columns = (index.channel.tolist(), index.low.tolist(), index.high.tolist())
                for channel, low, high in zip(*columns, strict=True):
                    said = segment.channels[channel]
                    span = spans.setdefault((said.topic, said.partition), {}).setdefault(number, [low, high])
                    span[:] = min(span[0], low), max(span[1], high)
        self._overlaps = {place: _overlaps(list(found.values())) for place, found in spans.items()}
        self._written: dict[Place, dict[int, bytes]] = {}

    def is_new(self, record: Record, path: Path) -> bool:
        """Whether a record has not been written yet; raises RecordingError where another one of its offset was."""
        place = (record.topic, record.partition)
        if not any(low <= record.offset <= high for low, high in self._overlaps[place]):
            return True
        said, written = _said(record), self._written.setdefault(place, {})
        if record.offset not in written:
            written[record.offset] = said
            return True
        if written[record.offset] != said:
            place_told = f"{path}, {record.topic}/{record.partition} {record.offset}"
            raise RecordingError(f"{place_told}: wanted the record that the others hold, got another one")
        return False


def _overlaps(spans: list[list[int]]) -> list[tuple[int, int]]:
    """The stretches of offsets that two recordings may hold."""
    pairs = [(max(one[0], other[0]), min(one[1], other[1])) for one, other in combinations(spans, 2)]
    return [(low, high) for low, high in pairs if low <= high]


def _said(record: Record) -> bytes:
    """A hash of all that Kafka knows of a record; when it arrived at which recorder is none of that."""
    kept = (record.key, record.value, record.headers, record.timestamp_ms, record.timestamp_type)
    return blake2b(repr(kept).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _common(paths: Sequence[Path]) -> tuple[Mapping[str, Mapping[str, str]], Path]:
    """The metadata of all, and the first recording that says of which city it is, if any; raises RecordingError where
    metadata or files of one name differ.
    """
    metadata: dict[str, dict[str, str]] = {}
    files: dict[str, str] = {}
    cities: list[Path] = []
    before: list[dict[str, str]] = []
    for path in paths:
        with Recording(path) as recording:
            if CITY in recording.metadata:
                cities.append(path)
            for name, said in callers_metadata(recording).items():
                if name.split(".")[0] == EDITED:
                    before += [said] if said not in before else []
                elif _decisive(metadata.setdefault(name, said)) != _decisive(said):
                    raise RecordingError(f"{path}, metadata {name}: wanted what the others say, got other words")
            for entry in recording.attachments:
                if not entry.name.startswith(OWN_NAMES) and entry.name != ATTACHED:
                    held = content_id(recording.attachment(entry.name).data.hex())
                    if files.setdefault(entry.name, held) != held:
                        raise RecordingError(f"{path}, {entry.name}: wanted the file of the others, got another one")
    whole: Mapping[str, Mapping[str, str]] = metadata
    for earlier in before:
        whole = edited(whole, **earlier)
    return whole, (cities or list(paths))[0]


def _decisive(said: Mapping[str, str]) -> dict[str, str]:
    return {name: word for name, word in said.items() if name != _OF_THE_MAKER}
