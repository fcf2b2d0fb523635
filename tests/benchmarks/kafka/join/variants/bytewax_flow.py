"""The join in Bytewax: single JSON events through its keyed state, and envelopes; no recovery store."""

from typing import Any

import bytewax.operators as op
import orjson
from bytewax._bytewax import run_main
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

from tests.benchmarks.kafka.join.step import Batches, Events
from tests.benchmarks.kafka.join.variants.asked import asked
from tests.benchmarks.kafka.join.variants.meter import Meter


def by_event(flow: Dataflow, source: KafkaSource, meter: Meter) -> Any:
    """Single events, keyed by junction."""

    def decode(message: Any) -> dict[str, Any]:
        meter.took()
        return orjson.loads(message.value)

    def join(known: Events | None, event: dict[str, Any]) -> tuple[Events, list[bytes]]:
        known = known or Events()
        made = known.take(event)
        return known, [] if made is None else [made.to_json()]

    events = op.map("decode", op.input("source", flow, source), decode)
    keyed = op.key_on("junction", events, lambda event: event["junction"])
    return op.key_rm("hits", op.stateful_flat_map("join", keyed, join))


def by_envelope(flow: Dataflow, source: KafkaSource, meter: Meter) -> Any:
    """Envelopes, keyed by partition."""

    def join(known: Batches | None, message: Any) -> tuple[Batches, list[bytes]]:
        known = known or Batches()
        meter.took(int.from_bytes(message.value[:4], "little"))
        return known, [known.take(message.value)]

    keyed = op.key_on("partition", op.input("source", flow, source), lambda message: str(message.partition))
    return op.key_rm("hits", op.stateful_flat_map("join", keyed, join))


def main() -> None:
    """Runs to the end of the topic."""
    arguments = asked()
    meter, servers = Meter(arguments.rows), arguments.servers.split(",")
    flow = Dataflow("join")
    source = KafkaSource(servers, [arguments.source], tail=False)
    hits = (by_event if arguments.form == "json" else by_envelope)(flow, source, meter)
    records = op.map("record", hits, lambda value: KafkaSinkMessage(key=None, value=value))
    op.output("sink", records, KafkaSink(servers, arguments.sink))
    run_main(flow)
    meter.end()


if __name__ == "__main__":
    main()
