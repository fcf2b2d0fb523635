"""Baking: a recording with faults in it, as a new one that says which they were and whom each befell."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from heapq import merge
from pathlib import Path
from typing import Final

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.joining import Batch
from city_brain.bag.reading import Recording
from city_brain.bag.records import CONTROL, GAPS, Gap, Note, Record, Schema
from city_brain.bag.writing import OWN_NAMES, RecordingWriter, segment_path
from city_brain.canonical import canonical_json
from city_brain.errors import RecordingError
from city_brain.playback.faults.injecting import Hit, Injector
from city_brain.playback.faults.plan import Plan
from city_brain.playback.recorded_city import CITY

PLAN_NAME: Final = "faults.json"
"""The attachment that holds the plan."""
METADATA: Final = "faults"


class Baked(msgspec.Struct, frozen=True, kw_only=True):
    """How many records went in and out, and how often each fault befell one."""

    read: int
    written: int
    hits: dict[str, int]


def bake(path: Path, out: Path, plan: Plan, progress: Callable[[int], None] = lambda _: None) -> Baked:
    """Writes the recording that begins with the file `path`, with faults, as one that begins with the file `out`.

    Each hit is a note in `_cb/control`. RecordingError: it cannot be read to its end, or not written; then what was
    written is left as *.part.
    """
    with Recording(path) as first:
        metadata = {name: said for name, said in first.metadata.items() if not name.startswith(OWN_NAMES)}
    if METADATA in metadata:
        raise RecordingError(f"{path}: wanted a recording without faults, got one that has some")
    prefix = metadata.get(CITY, {}).get("topic_prefix", "")
    metadata[METADATA] = {"seed": str(plan.seed), "names": ",".join(plan.names)}
    with RecordingWriter(out, metadata=metadata) as writer:
        writer.attach(
            Attachment(
                log_ns=0, created_ns=0, name=PLAN_NAME, media_type="application/json",
                data=canonical_json(msgspec.to_builtins(plan)),
            )
        )  # fmt: skip
        oven = _Oven(writer, plan, prefix)
        number = 1
        while oven.segment(segment_path(path, number), progress):
            number += 1
        oven.write(oven.injector.finish())
    return Baked(read=oven.read, written=oven.written, hits=dict(oven.injector.hits))


class _Oven:
    """What goes from segment to segment."""

    def __init__(self, writer: RecordingWriter, plan: Plan, prefix: str) -> None:
        self.read = self.written = 0
        self.injector = Injector(plan, prefix, self._tell)
        self._writer = writer
        self._channels: dict[tuple[str, int], int] = {}
        """The channel that a partition's records were last on."""
        self._known: dict[tuple[str, int, str, str, Schema | None], int] = {}
        self._attached: set[tuple[str, bytes]] = set()
        self._now_ns = 0

    def segment(self, path: Path, progress: Callable[[int], None]) -> bool:
        """Writes a segment with faults, and says whether another follows."""
        with Recording(path) as recording:
            if recording.cut:
                raise RecordingError(f"{path}: wanted a recording that is whole, got: {recording.cut}")
            for entry in recording.attachments:
                if not entry.name.startswith(OWN_NAMES):
                    self._attach(recording.attachment(entry.name))
            for batch in recording.batches():
                for channel, item in merge(_records(batch), _notes(batch), key=lambda pair: pair[1].log_ns):
                    self._now_ns = item.log_ns
                    if isinstance(item, Note):
                        self._note(item)
                        continue
                    self._channels[item.topic, item.partition] = self._channel(batch, channel)
                    self.write(self.injector.feed(item))
                    self.read += 1
                progress(self.read)
            return bool(recording.followed)

    def write(self, records: list[Record]) -> None:
        """Writes records that arrive now."""
        for record in records:
            self._writer.write(
                self._channels[record.topic, record.partition], record.offset, record.value, key=record.key,
                headers=record.headers, timestamp_ms=record.timestamp_ms, timestamp_type=record.timestamp_type,
                leader_epoch=record.leader_epoch, log_ns=record.log_ns,
            )  # fmt: skip
            self.written += 1

    def _attach(self, attachment: Attachment) -> None:
        """Takes a file once, though every segment has it."""
        key = (attachment.name, sha256(attachment.data).digest())
        if key not in self._attached:
            self._attached.add(key)
            self._writer.attach(attachment)

    def _note(self, note: Note) -> None:
        if note.topic == GAPS:
            self._writer.gap(msgspec.convert(note.said, Gap), note.log_ns)
        else:
            self._writer.note(note.topic, note.said, note.log_ns)

    def _tell(self, hit: Hit) -> None:
        self._writer.note(CONTROL, {"kind": "fault", "hit": msgspec.to_builtins(hit)}, self._now_ns)

    def _channel(self, batch: Batch, number: int) -> int:
        """The writer's channel that is as the one of the batch."""
        channel = batch.channels.by_number[number]
        schema = batch.channels.schemas[channel.schema] if channel.schema else None
        key = (channel.topic, channel.partition, channel.encoding, channel.metadata.get("cluster", ""), schema)
        found = self._known.get(key)
        if found is None:
            topic, partition, encoding, cluster, _ = key
            found = self._known[key] = self._writer.channel(
                topic, partition, encoding=encoding, schema=schema, cluster=cluster
            )
        return found


def _records(batch: Batch) -> Iterator[tuple[int, Record | Note]]:
    yield from zip(batch.channel.tolist(), batch.records(), strict=True)


def _notes(batch: Batch) -> Iterator[tuple[int, Record | Note]]:
    for note in batch.notes:
        yield -1, note
