"""The join in Quix Streams: single JSON events with its state store or a dictionary, and envelopes."""

import os
from typing import Any

from quixstreams import Application, State, message_context

from tests.benchmarks.kafka.join.events import SPEED_MPS
from tests.benchmarks.kafka.join.step import Batches, Events, hit
from tests.benchmarks.kafka.join.variants.asked import asked
from tests.benchmarks.kafka.join.variants.meter import Meter

COMMIT_S = 0.5
"""As often as Faust commits."""


def stored(event: dict[str, Any], state: State) -> bytes | None:
    """The join with the state that Quix keeps for the key of the record, which is the junction."""
    kind = event["kind"]
    if kind == "detection":
        found = event["speed_mps"] > SPEED_MPS and state.get("state") == "red"
        made = hit(event, state.get(event["cell"], 0.0)) if found else None
        return None if made is None else made.to_json()
    if kind == "signal":
        state.set("state", event["state"])
    else:
        state.set(event["cell"], event["reading"])
    return None


def remembered(join: Events) -> Any:
    """The join over a dictionary of its own, which nobody restores."""

    def step(event: dict[str, Any]) -> bytes | None:
        made = join.take(event)
        return None if made is None else made.to_json()

    return step


def batched() -> Any:
    """The join of envelopes, with arrays for each partition, which nobody restores."""
    joins: dict[int, Batches] = {}

    def step(record: bytes) -> bytes:
        return joins.setdefault(message_context().partition, Batches()).take(record)

    return step


def main() -> None:
    """Runs until all events are joined, then commits."""
    arguments = asked()
    meter = Meter(arguments.rows)
    app = Application(
        broker_address=arguments.servers, consumer_group=arguments.group, auto_offset_reset="earliest",
        commit_interval=COMMIT_S, state_dir=arguments.folder, loglevel="ERROR", auto_create_topics=True,
    )  # fmt: skip
    form = "json" if arguments.form == "json" else "bytes"
    source = app.topic(arguments.source, value_deserializer=form, key_deserializer="bytes")
    sink = app.topic(arguments.sink, value_serializer="bytes", key_serializer="bytes")
    frame = app.dataframe(source)
    with_store = os.environ.get("QUIX_STATE") == "store"

    def count(value: Any) -> None:
        rows = int.from_bytes(value[:4], "little") if form == "bytes" else 1
        if meter.took(rows):
            app.stop()

    frame = frame.update(count)
    if form == "bytes":
        frame = frame.apply(batched())
    elif with_store:
        frame = frame.apply(stored, stateful=True).filter(lambda said: said is not None)
    else:
        frame = frame.apply(remembered(Events())).filter(lambda said: said is not None)
    frame.to_topic(sink)
    app.run()
    meter.end()


if __name__ == "__main__":
    main()
