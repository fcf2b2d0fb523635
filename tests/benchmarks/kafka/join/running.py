"""The simple join, written in several systems: the same bytes in, the same bytes out, through one broker.

Variants run one after the other, in turns, each in a process of its own; of each the median of its repetitions counts.
What they wrote is read back and compared with the join in memory.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson
from kafka import KafkaProducer

from city_brain.kafka.connecting import admin
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import RECORD_BYTES_MAX
from city_brain.synth import SynthCity, SynthSettings
from tests.benchmarks.kafka.crew import encoded_map
from tests.benchmarks.kafka.join import events
from tests.benchmarks.kafka.join.environments import python_of
from tests.benchmarks.kafka.join.step import Batches, Events
from tests.chaos.logs import read_log
from tests.house import ROOT
from tests.kafka.sites import a_site, kafka_settings

PATIENCE_S = 300.0
STATE_PARTITIONS = {"partitions": events.PARTITIONS, "cleanup.policy": "compact"}


@dataclass(frozen=True)
class Variant:
    """One way to write the join. `system`: whose environment it runs in, empty for ours."""

    name: str
    module: str
    form: str
    system: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    joins: bool = True


OURS = "ours: Faust on envelopes"
QUIX_STORE, QUIX_DICT, QUIX_BATCH = (
    "Quix Streams, its state store",
    "Quix Streams, dictionary",
    "Quix Streams on envelopes",
)
BYTEWAX, BYTEWAX_BATCH = "Bytewax, its keyed state", "Bytewax on envelopes"
VARIANTS = (
    Variant("stock Faust, dictionary", "stock_faust", "json"),
    Variant(QUIX_STORE, "quix", "json", "quix", {"QUIX_STATE": "store"}),
    Variant(QUIX_DICT, "quix", "json", "quix"),
    Variant(BYTEWAX, "bytewax_flow", "json", "bytewax"),
    Variant("aiokafka, decode only", "decoding", "json", joins=False),
    Variant(OURS, "our_faust", "envelopes"),
    Variant(QUIX_BATCH, "quix", "envelopes", "quix"),
    Variant(BYTEWAX_BATCH, "bytewax_flow", "envelopes", "bytewax"),
    Variant("aiokafka on envelopes, decode only", "decoding", "envelopes", joins=False),
)


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How many events are read of each form, how many an envelope holds, and how often each variant runs."""

    json_rows: int = 300_000
    batch_rows: int = 9_216_000
    envelope: int = 1_024
    repetitions: int = 3


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant took: rows per second of processor time, one figure per repetition, and by the clock (median)."""

    name: str
    form: str
    rows: int
    per_core: list[int]
    per_wall_second: int
    peak_mb: int
    same: bool | None
    """Whether every repetition wrote what the join in memory says; None where nothing is written."""

    @property
    def median(self) -> int:
        """Of rows per second of processor time."""
        return round(statistics.median(self.per_core))


class Inputs:
    """The events of a run, in memory and in two topics, and what must come of them."""

    def __init__(self, size: Size, kafka: KafkaSettings) -> None:
        self.kafka = kafka
        self.counts = {"json": size.json_rows, "envelopes": size.batch_rows}
        self.wanted: dict[str, list[bytes]] = {}
        _create(kafka, {form: {"partitions": events.PARTITIONS} for form in self.counts})
        made = [events.make(partition, size.batch_rows // events.PARTITIONS) for partition in range(events.PARTITIONS)]
        few = size.json_rows // events.PARTITIONS
        lines = [list(events.to_lines({name: c[:few] for name, c in columns.items()})) for columns in made]
        batches = [list(events.envelopes(columns, size.envelope)) for columns in made]
        with _sending(kafka) as send:
            for partition in range(events.PARTITIONS):
                for key, line in lines[partition]:
                    send("json", line, partition, key)
                for record in batches[partition]:
                    send("envelopes", record, partition, None)
        joins = [Batches() for _ in made]
        begun_s = time.process_time()
        said = [[join.take(record) for record in mine] for join, mine in zip(joins, batches, strict=True)]
        self.in_memory = round(size.batch_rows / (time.process_time() - begun_s))
        self.wanted["envelopes"] = sorted(record for mine in said for record in mine)
        hits = [[hit for line in mine if (hit := one.take(orjson.loads(line[1])))] for one, mine in _each(lines)]
        self.wanted["json"] = sorted(hit.to_json() for mine in hits for hit in mine)
        for few_hits, mine in zip(hits, said, strict=True):
            first = (hit for record in mine for hit in events.hits_of(record))
            if any(hit != next(first) for hit in few_hits):
                raise RuntimeError("joins in memory: wanted the same hits event by event and of envelopes, got others")


def _each(lines: list[Any]) -> Iterator[tuple[Events, Any]]:
    return ((Events(), mine) for mine in lines)


def measure(
    size: Size, servers: str, folder: Path, chosen: Sequence[Variant] = VARIANTS, prefix: str = "join."
) -> tuple[list[Joined], int]:
    """Runs the variants in turns; what each took, and rows per second of the join in memory."""
    pythons = {variant.system: python_of(variant.system) for variant in chosen if variant.system}
    site = a_site(folder / "join", servers, prefix, top='city = "join"')
    (site / "city.geojson").write_bytes(encoded_map(SynthCity(SynthSettings(cameras=2)).geojson()))
    inputs = Inputs(size, kafka_settings(site))
    told: dict[str, list[dict[str, Any]]] = {variant.name: [] for variant in chosen}
    for repetition in range(size.repetitions):
        for number, variant in enumerate(chosen):
            print(f"join {repetition + 1} of {size.repetitions}: {variant.name} …", file=sys.stderr)
            python = str(pythons.get(variant.system, sys.executable))
            told[variant.name].append(_run(variant, python, inputs, site, f"hits.{number}.{repetition}"))
    return [_joined(variant, told[variant.name]) for variant in chosen], inputs.in_memory


def _run(variant: Variant, python: str, inputs: Inputs, site: Path, sink: str) -> dict[str, Any]:
    kafka = inputs.kafka
    made = {sink: {"partitions": 1}, f"{sink}.state": STATE_PARTITIONS}
    _create(kafka, made)
    folder = site / "states" / sink if variant.system or variant.module == "stock_faust" else site
    folder.mkdir(parents=True, exist_ok=True)
    arguments = {
        "servers": kafka.bootstrap_servers[0], "source": kafka.topic(variant.form), "sink": kafka.topic(sink),
        "group": kafka.topic(f"{sink}.group"), "rows": inputs.counts[variant.form], "form": variant.form,
        "folder": folder,
    }  # fmt: skip
    done = subprocess.run(
        [
            *(python, "-m", f"tests.benchmarks.kafka.join.variants.{variant.module}"),
            *(word for name, value in arguments.items() for word in (f"--{name}", str(value))),
        ],
        cwd=ROOT, env=os.environ | variant.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{variant.name}: wanted exit 0, got {done.returncode}: {done.stdout}{done.stderr[-3000:]}")
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    if variant.joins:
        told["same"] = sorted(record.value for record in read_log(kafka, sink)) == inputs.wanted[variant.form]
    with admin(kafka) as client:
        client.delete_topics([kafka.topic(name) for name in made])
    return told


def _joined(variant: Variant, told: list[dict[str, Any]]) -> Joined:
    return Joined(
        name=variant.name,
        form=variant.form,
        rows=told[0]["rows"],
        per_core=sorted(round(one["rows"] / one["processor_s"]) for one in told),
        per_wall_second=round(statistics.median(one["rows"] / one["wall_s"] for one in told)),
        peak_mb=max(one["peak_mb"] for one in told),
        same=all(one["same"] for one in told) if variant.joins else None,
    )


def _create(kafka: KafkaSettings, wanted: dict[str, dict[str, Any]]) -> None:
    topics = {}
    for name, said in wanted.items():
        configs = {"max.message.bytes": str(RECORD_BYTES_MAX), "retention.ms": "-1"}
        configs |= {key: value for key, value in said.items() if key != "partitions"}
        topics[kafka.topic(name)] = {
            "num_partitions": said["partitions"], "replication_factor": 1, "configs": configs,
        }  # fmt: skip
    with admin(kafka) as client:
        client.create_topics(topics, wait_for_metadata=True)


@contextmanager
def _sending(kafka: KafkaSettings) -> Iterator[Callable[[str, bytes, int, bytes | None], object]]:
    """Sends to a partition of a topic; all is stored at the end."""
    producer: Any = KafkaProducer(
        acks="all", linger_ms=20, batch_size=1 << 19, max_request_size=RECORD_BYTES_MAX, **kafka.connection()
    )
    yield lambda topic, value, partition, key: producer.send(kafka.topic(topic), value, key=key, partition=partition)
    producer.flush()
    producer.close()
