"""`city-brain send`: every row arrives once, in the partition and the order of its source; every other line is told."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import orjson
import pytest
import zstandard

from city_brain.kafka.sending import Sender, partition_of
from city_brain.kafka.topics import raw_partitions, raw_topic
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope
from city_brain.observations.json_twin import from_lines, to_lines, warning_line
from city_brain.observations.vocabulary import Kind
from tests.cli.processes import COMMAND, ENVIRONMENT, city_brain
from tests.kafka.broker import cluster
from tests.kafka.sites import a_site, applied, kafka_settings
from tests.observations.lines import NOON_MS, Line, line

ROWS = 3_000
BROKEN = {7: b"{", 40: b'{"kind": "detective"}', 41: b"\xff"}
"""Lines that are no observations, by number from 1."""


def city_lines() -> list[bytes]:
    """Rows of all kinds and many sources, interleaved; then a mark and broken lines in their places."""
    kinds = ("detection", "detection", "signal", "detection", "sensor", "report")
    rows: list[Line] = [
        line(kinds[at % 6], f"{kinds[at % 6]}-{at * 7 % 23}", seq=at, event_time_ms=NOON_MS + at) for at in range(ROWS)
    ]
    lines = [orjson.dumps(row) for row in rows]
    lines.insert(1000, orjson.dumps({"kind": "mark", "arrival_time_ms": NOON_MS}))
    for number, bad in BROKEN.items():
        lines.insert(number - 1, bad)
    return lines


@pytest.fixture
def site(tmp_path: Path, kafka: str, prefix: str) -> Path:
    """A site whose topics are there."""
    made = a_site(tmp_path / "site", kafka, prefix, "[kafka.raw_partitions]", "sensors = 2")
    assert applied(made)
    return made


def arrived(site: Path) -> dict[tuple[str, int], list[tuple[bytes | None, bytes]]]:
    """Key and value of each record in each raw partition, in its order."""
    from kafka import KafkaConsumer, TopicPartition

    settings = kafka_settings(site)
    places = [
        TopicPartition(settings.topic(name), number)
        for name, count in raw_partitions(settings).items()
        for number in range(count)
    ]
    found: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = {}
    with closing(KafkaConsumer(**settings.connection(), auto_offset_reset="earliest")) as consumer:
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        deadline = time.monotonic() + 30
        while any(consumer.position(place) < ends[place] for place in places) and time.monotonic() < deadline:
            for place, records in consumer.poll(timeout_ms=500).items():
                name = place.topic.removeprefix(settings.topic_prefix)
                found.setdefault((name, place.partition), []).extend((said.key, said.value) for said in records)
    return found


def read(records: list[tuple[bytes | None, bytes]]) -> Observations:
    """The rows of records, envelopes or lines."""
    return Observations.concat(
        [from_envelope(value) if value[0] == 8 else from_lines([value]).observations for _, value in records]
    )


def sources(rows: Observations) -> Iterator[tuple[str, bytes]]:
    """Each row as its source and its line."""
    for at, said in zip(rows.common.source.tolist(), to_lines(rows), strict=True):
        yield rows.strings[at], said


def by_source(rows: Observations) -> dict[str, list[bytes]]:
    """The lines of each source, in order."""
    found: dict[str, list[bytes]] = {}
    for source, said in sources(rows):
        found.setdefault(source, []).append(said)
    return found


@pytest.mark.parametrize(("rows_per_record", "packed"), [(1, False), (64, True), (65_536, False)])
def test_every_row_arrives_once_in_the_order_of_its_source(
    tmp_path: Path, site: Path, rows_per_record: int, packed: bool
) -> None:
    """Single lines or envelopes, plain or packed file: the same rows, and a source never leaves its partition."""
    lines = city_lines()
    data = b"\n".join(lines) + b"\n"
    recording = tmp_path / "recording"
    recording.write_bytes(zstandard.ZstdCompressor().compress(data) if packed else data)
    done = city_brain("send", site, recording, "--rows-per-record", rows_per_record, "--json")
    assert done.code == 3, done.err
    told = msgspec.json.decode(done.out, type=dict[str, object])
    assert (told["rows"], told["marks"]) == (ROWS, 1)
    assert told["rejected"] == {"not_json": 1, "kind": 1, "not_utf8": 1}
    told_lines = [said for said in done.err.splitlines() if said.startswith("line ")]
    assert [said.split(": wanted ")[0] for said in told_lines] == ["line 7", "line 40: kind", "line 41"]
    found = arrived(site)
    records = [record for said in found.values() for record in said]
    assert told["records"] == len(records)
    assert by_source(read(records)) == by_source(from_lines(lines).observations)
    widths = raw_partitions(kafka_settings(site))
    for (topic, partition), said in found.items():
        rows = read(said)
        assert {raw_topic(Kind(code)) for code in rows.common.kind.tolist()} == {topic}
        assert {partition_of(source, widths[topic]) for source, _ in sources(rows)} == {partition}
        keys = [key for key, _ in said]
        assert keys == (
            [source.encode() for source, _ in sources(rows)] if rows_per_record == 1 else [None] * len(said)
        )


def test_standard_input_goes_on_before_it_ends(site: Path) -> None:
    """Lines that are piped in arrive while the pipe is open, be it a single one, and Ctrl-C then ends with 130 and the
    true sums.
    """
    with _sending(site) as sending:
        assert sending.stdin is not None and sending.stderr is not None
        deadline = time.monotonic() + 60
        rows = 0
        for wanted in (1, 128):
            for at in range(rows, wanted):
                sending.stdin.write(orjson.dumps(line("sensor", "thermometer", seq=at)) + b"\n")
            sending.stdin.flush()
            while rows < wanted and time.monotonic() < deadline:
                rows = sum(read(records).n for records in arrived(site).values())
        sending.send_signal(signal.SIGINT)
        code = sending.wait(30)
        said = sending.stderr.read().decode()
    assert rows == 128
    assert code == 130
    assert re.fullmatch(r"sent 128 rows in \d+ records; 0 lines rejected\n", said)


def test_a_file_that_ends_too_early_is_sent_as_far_as_it_goes(tmp_path: Path, site: Path) -> None:
    """What could be read of a damaged file is sent, the place of the damage is told, and the exit code is 3."""
    recording = tmp_path / "cut.zst"
    noise = [orjson.dumps(line("sensor", f"s-{os.urandom(32).hex()}", seq=at)) for at in range(8_000)]
    recording.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(noise))[:-1_000])
    done = city_brain("send", site, recording)
    assert done.code == 3
    assert "the Zstandard data end too early" in done.err
    rows = sum(read(records).n for records in arrived(site).values())
    assert rows > 0
    assert f"sent {rows} rows in " in done.err


def test_rows_too_heavy_for_one_record_are_split(site: Path) -> None:
    """Reports of half a megabyte each go in several envelopes; none is lost, none is out of order."""
    lines = [orjson.dumps(line("report", "hotline", seq=at, text=f"{at}" + "词" * 170_000)) for at in range(24)]
    with Sender(kafka_settings(site), 1024) as sender:
        assert sender.send(from_lines(lines)) == ()
    assert (sender.sent.rows, sender.sent.records > 1) == (24, True)
    records = [record for said in arrived(site).values() for record in said]
    assert read(records).common.seq.tolist() == list(range(24))


def test_topics_that_are_not_as_wide_as_wanted_are_told_before_a_row_is_sent(
    tmp_path: Path, kafka: str, prefix: str
) -> None:
    """Where topics are absent nothing is sent, and what is to be done is told."""
    done = city_brain("send", a_site(tmp_path, kafka, prefix), "-", given=orjson.dumps(line("sensor", "s")))
    assert done.code == 1
    assert f"topic {prefix}video.detections: wanted 4 partitions, got 0; city-brain topics apply" in done.err
    assert "sent 0 rows" in done.err


@pytest.mark.usefixtures("java")
def test_a_broker_that_dies_and_comes_back_costs_no_row_and_doubles_none(tmp_path: Path) -> None:
    """Sending goes on where it stood; one that does not come back in time is told, and only acknowledged rows count."""
    lines = [orjson.dumps(line("sensor", f"sensor-{at % 5}", seq=at)) + b"\n" for at in range(64 * 40)]
    with cluster() as own:
        site = a_site(tmp_path, own.bootstrap_servers, "", "request_wait_s = 10.0")
        assert applied(site)
        with _sending(site) as sending:
            assert sending.stdin is not None
            for start in range(0, len(lines), 64):
                sending.stdin.write(b"".join(lines[start : start + 64]))
                sending.stdin.flush()
                if start == 64 * 20:
                    own.brokers[0].kill()
                    own.start()
            said, code = _ended(sending)
        assert code == 0
        assert re.fullmatch(rf"sent {len(lines)} rows in \d+ records; 0 lines rejected\n", said)
        rows = [record for records in arrived(site).values() for record in records]
        assert by_source(read(rows)) == by_source(from_lines([said.rstrip() for said in lines]).observations)
        impatient = a_site(tmp_path / "impatient", own.bootstrap_servers, "", "request_wait_s = 1.0")
        with _sending(impatient) as sending:
            assert sending.stdin is not None
            sending.stdin.write(b"".join(lines[:64]))
            sending.stdin.flush()
            deadline = time.monotonic() + 30
            wanted = len(lines) + 64
            while sum(read(said).n for said in arrived(site).values()) < wanted and time.monotonic() < deadline:
                time.sleep(0.1)
            own.brokers[0].kill()
            sending.stdin.write(b"".join(lines[64:128]))
            said, code = _ended(sending)
    assert code == 1
    assert re.fullmatch(r"sent 64 rows in \d+ records; 0 lines rejected", said.splitlines()[0])
    assert said.splitlines()[1].startswith("city-brain: kafka 127.0.0.1:")
    assert len(said.splitlines()) == 2


def _sending(site: Path) -> subprocess.Popen[bytes]:
    """`city-brain send` with its standard input open."""
    command = [*COMMAND, "send", str(site), "-"]
    return subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def _ended(sending: subprocess.Popen[bytes]) -> tuple[str, int]:
    """What it said and its exit code, after its input has ended."""
    said = sending.communicate(timeout=90)[1].decode()
    return said, sending.returncode


def test_warnings_of_others_go_among_the_reports_in_one_order(tmp_path: Path, site: Path) -> None:
    """As they came, each a record; nothing is counted as a row, and nothing as rejected."""
    warnings = [warning_line(f"<alert>{number}</alert>") for number in range(20)]
    lines = [*warnings[:10], orjson.dumps(line("report", "hotline", seq=1)), *warnings[10:]]
    recording = tmp_path / "recording"
    recording.write_bytes(b"\n".join(lines) + b"\n")
    done = city_brain("send", site, recording, "--json")
    assert done.code == 0, done.err
    told = msgspec.json.decode(done.out, type=dict[str, object])
    assert (told["rows"], told["warnings"], told["records"]) == (1, 20, 21)
    assert "sent 1 rows and 20 warnings in 21 records; 0 lines rejected" in done.err
    assert [value for _, value in arrived(site)["reports", 0] if value[0] != 8] == warnings
