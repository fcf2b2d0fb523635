"""Cutting: what arrived from one time to another, with all that the city had been told before.

Configurations stay, whenever they came: without the first one nothing can be run. Marks of `control` from before do
not: the city would begin with them.
"""

from collections.abc import Callable
from pathlib import Path

from city_brain.bag.reading import Recording
from city_brain.bag.records import LOG_NS_MAX, Note, Record
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
from city_brain.playback.recorded_city import CITY


def cut(
    path: Path,
    out: Path,
    since_ns: int = 0,
    until_ns: int = LOG_NS_MAX,
    progress: Callable[[Edited], None] = lambda _: None,
) -> Edited:
    """Writes what arrived from `since_ns` on and before `until_ns` (log time) of the recording that begins with `path`.

    RecordingError: it cannot be read, or not written; then what was written is left as *.part.
    """
    check_new(out)
    with Recording(path) as first:
        metadata, runs = callers_metadata(first), Runs(first)
    control = metadata.get(CITY, {}).get("topic_prefix", "") + CONTROL
    told = Edited()
    words = {"since_ns": str(since_ns), "until_ns": str(until_ns)}
    with RecordingWriter(out, metadata=edited(metadata, "cut", **words)) as writer:
        copier = Copier(writer, runs)
        for segment in whole_segments(path):
            copier.attach(segment, with_state=not since_ns)
            for item in items(segment):
                if isinstance(item.said, Note):
                    if since_ns <= item.said.log_ns < until_ns:
                        copier.note(item.said)
                    continue
                told.read += 1
                if since_ns <= item.said.log_ns < until_ns or (
                    item.said.log_ns < since_ns and _is_configuration(item.said, control)
                ):
                    copier.write(copier.channel(item), item.said)
                    told.written += 1
                if told.read % 1024 == 0:
                    progress(told)
    told.why_not = runs.why_not()
    return told


def _is_configuration(record: Record, control: str) -> bool:
    return record.topic == control and all(name != MARK_HEADER for name, _ in record.headers)
