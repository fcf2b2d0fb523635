"""Filtering: the records of some topics, keys or sources; of an envelope, the rows of these sources.

Marks and configurations stay, since they are the clock and the city and no data; `bare`, they must fit as well.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from city_brain.bag.reading import Recording, check_topics, topics_of
from city_brain.bag.records import Note, Record
from city_brain.bag.writing import RecordingWriter
from city_brain.distributed import MARK_HEADER
from city_brain.kafka.topics import CONTROL
from city_brain.playback.editing.copying import (
    Copier,
    Edited,
    callers_metadata,
    check_new,
    edited,
    items,
    whole_segments,
)
from city_brain.playback.editing.running import Runs
from city_brain.playback.faults.values import open_value
from city_brain.playback.recorded_city import CITY


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What stays: a record that fits each of those that are given. Topics are named with the prefix or without."""

    topics: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    bare: bool = False
    renumber: bool = False
    """Offsets of a partition count on from its first one, without the holes that the filter leaves."""


def sift(path: Path, out: Path, wanted: Wanted, progress: Callable[[Edited], None] = lambda _: None) -> Edited:
    """Writes what is wanted of the recording that begins with the file `path`; errors as `cut` has them, and
    SettingsError where a topic is wanted that is not there.
    """
    check_new(out)
    with Recording(path) as first:
        metadata, runs = callers_metadata(first), Runs(first)
    prefix = metadata.get(CITY, {}).get("topic_prefix", "")
    there = topics_of(whole_segments(path)) if wanted.topics else set()
    check_topics(wanted.topics, there | {topic.removeprefix(prefix) for topic in there}, str(path))
    sieve = _Sieve(wanted, prefix)
    words = {name: ",".join(getattr(wanted, name)) for name in ("topics", "keys", "sources")}
    told, following = Edited(), dict[tuple[str, int], int]()
    with RecordingWriter(out, metadata=edited(metadata, "filter", **words)) as writer:
        copier = Copier(writer, runs)
        for segment in whole_segments(path):
            copier.attach(segment)
            for item in items(segment):
                if isinstance(item.said, Note):
                    copier.note(item.said)
                    continue
                told.read += 1
                record = sieve.left(item.said)
                if record is not None:
                    if wanted.renumber:
                        place = (record.topic, record.partition)
                        offset = following.get(place, record.offset)
                        following[place] = offset + 1
                        record = msgspec.structs.replace(record, offset=offset)
                    copier.write(copier.channel(item), record)
                    told.written += 1
                if told.read % 1024 == 0:
                    progress(told)
    told.why_not = runs.why_not()
    return told


class _Sieve:
    """What is left of a record."""

    def __init__(self, wanted: Wanted, prefix: str) -> None:
        self._wanted, self._control = wanted, prefix + CONTROL
        self._topics = {name for topic in wanted.topics for name in (topic, prefix + topic)}
        self._keys = {key.encode() for key in wanted.keys}
        self._sources = np.array(sorted(set(wanted.sources)), dtype=np.str_)

    def left(self, record: Record) -> Record | None:
        """The record, or what is left of it, or nothing."""
        if not self._wanted.bare and (
            record.topic == self._control or any(name == MARK_HEADER for name, _ in record.headers)
        ):
            return record
        if self._topics and record.topic not in self._topics:
            return None
        if self._keys and record.key not in self._keys:
            return None
        return self._of_sources(record) if len(self._sources) else record

    def _of_sources(self, record: Record) -> Record | None:
        opened = open_value(record.value)
        if opened is None or not opened.observations.n:
            return None
        others = ~np.isin(np.array(opened.sources(), dtype=np.str_), self._sources)
        if not others.any():
            return record
        value = opened.without(others)
        return None if value is None else msgspec.structs.replace(record, value=value)
