"""Baking: a recording with faults in it, as a new one that says which they were and whom each befell."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.reading import Recording
from city_brain.bag.records import CONTROL, Note
from city_brain.bag.writing import RecordingWriter
from city_brain.canonical import canonical_json
from city_brain.errors import RecordingError
from city_brain.playback.editing.copying import Copier, callers_metadata, items, whole_segments
from city_brain.playback.faults.injecting import Hit, Injector
from city_brain.playback.faults.plan import Plan
from city_brain.playback.recorded_city import CITY

PLAN_NAME: Final = "faults.json"
"""The attachment that holds the plan."""
METADATA: Final = "faults"


class Baked(msgspec.Struct, kw_only=True):
    """How many records went in and out, and how often each fault befell one."""

    read: int = 0
    written: int = 0
    hits: dict[str, int] = {}


def bake(path: Path, out: Path, plan: Plan, progress: Callable[[int], None] = lambda _: None) -> Baked:
    """Writes the recording that begins with the file `path`, with faults, as one that begins with the file `out`.

    Each hit is a note in `_cb/control`. RecordingError: it cannot be read to its end, or not written; then what was
    written is left as *.part.
    """
    with Recording(path) as first:
        metadata: dict[str, Mapping[str, str]] = {**callers_metadata(first)}
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
        copier, baked = Copier(writer), Baked()
        lanes = dict[tuple[str, int], int]()
        now_ns = 0

        def tell(hit: Hit) -> None:
            writer.note(CONTROL, {"kind": "fault", "hit": msgspec.to_builtins(hit)}, now_ns)

        injector = Injector(plan, prefix, tell)
        for segment in whole_segments(path):
            copier.attach(segment, with_state=True)
            for item in items(segment):
                now_ns = item.said.log_ns
                if isinstance(item.said, Note):
                    copier.note(item.said)
                    continue
                lanes[item.said.topic, item.said.partition] = copier.channel(item)
                for record in injector.feed(item.said):
                    copier.write(lanes[record.topic, record.partition], record)
                baked.read += 1
                if baked.read % 1024 == 0:
                    progress(baked.read)
        for record in injector.finish():
            copier.write(lanes[record.topic, record.partition], record)
        baked.written, baked.hits = copier.written, dict(injector.hits)
        return baked
