"""Programs as an operator meets them: stopped and started as planned, looked at over HTTP, read in their logs."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from city_brain.city.loading import city_to_geojson
from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.topics import FUSION_TICKS, INCIDENTS
from city_brain.site import Site
from tests.distributed import kit
from tests.kafka.broker import free_ports
from tests.kafka.sites import a_site, applied, kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, Fleet, read_all, write_raw
from tests.kafka.streams.replayed import ONE_EACH, PARTITIONS, http, replayed_city

PROGRAMS = ("ingest", "fuse", "desk")
STALLED_AFTER_S = 4.0


def _soon(holds: Callable[[], bool], fleet: Fleet) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < until_s:
        fleet.check()
        time.sleep(0.2)
    return held


@pytest.mark.slow
@pytest.mark.campaign
def test_a_planned_stop_and_start_says_nothing_twice(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each program is stopped (0) and started while it works; ticks and incidents come once, as one process says."""
    with replayed_city(tmp_path, kafka, prefix) as fleet:
        settings = kafka_settings(fleet.site)
        wanted = kit.oracle(PARTITIONS, Site.open(fleet.site).desk_settings)
        ports = dict(zip(PROGRAMS, free_ports(len(PROGRAMS)), strict=True))
        for program, port in ports.items():
            fleet.start(program, "0", "--metrics", f"127.0.0.1:{port}")
        assert _soon(lambda: all(http(port, "/readyz")[0] == 200 for port in ports.values()), fleet)
        victims, codes, slices = iter(PROGRAMS), [], 0

        def stop_one() -> None:
            nonlocal slices
            time.sleep(0.1)
            slices += 1
            if slices % 12 == 0 and (victim := next(victims, None)):
                codes.append(fleet.stop(f"{victim}-0"))
                fleet.start(victim)

        write_raw(settings, kit.raw_logs(), stop_one)
        said = read_all(settings, INCIDENTS, lambda found: len(found) >= len(wanted), fleet)
        ticks = read_all(settings, FUSION_TICKS, lambda found: len(found) >= PARTITIONS * len(wanted), fleet)
        codes += [fleet.stop(f"{program}-0") for program in PROGRAMS]
        said = read_all(settings, INCIDENTS, lambda found: len(found) >= len(said), fleet)
        assert codes == [0] * 6
        assert [record.value for record in said] == wanted
        numbers = [(tick.partition, tick.tick) for tick in (PartitionTick.from_bytes(record.value) for record in ticks)]
        assert len(numbers) == len(set(numbers)) == PARTITIONS * len(wanted)


@pytest.mark.slow
def test_what_a_program_does_can_be_seen(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each is ready once it has partitions, a second desk stands by and is ready too; figures are those of the log;
    every line that was logged is JSON with its place.
    """
    with replayed_city(tmp_path, kafka, prefix, "[workers]", "snapshot_every_s = 0.5") as fleet:
        settings = kafka_settings(fleet.site)
        wanted = kit.oracle(PARTITIONS, Site.open(fleet.site).desk_settings)
        slots = [("ingest", "0"), ("fuse", "0"), ("desk", "0"), ("desk", "1")]
        ports = dict(zip(slots, free_ports(len(slots)), strict=True))
        for (program, slot), port in ports.items():
            fleet.start(program, slot, "--metrics", f"127.0.0.1:{port}")
        assert _soon(lambda: all(http(port, "/readyz")[0] == 200 for port in ports.values()), fleet)
        write_raw(settings, kit.raw_logs(), fleet.check)
        read_all(settings, INCIDENTS, lambda found: len(found) >= len(wanted), fleet)
        ticks = read_all(settings, FUSION_TICKS, lambda found: len(found) >= PARTITIONS * len(wanted), fleet)
        last = {tick.partition: tick for tick in (PartitionTick.from_bytes(record.value) for record in ticks)}
        told = http(ports["fuse", "0"], "/metrics")[1]
        for partition, tick in last.items():
            assert f'rows_read_total{{partition="{partition}",program="fuse"}} {float(tick.counters["read"])}' in told
            assert f'ticks_closed_total{{partition="{partition}",program="fuse"}} {float(len(wanted))}' in told
            assert f'snapshot_age_seconds{{partition="{partition}",program="fuse"}}' in told
        assert _soon(lambda: "lag_records" in http(ports["fuse", "0"], "/metrics")[1], fleet)
        assert {http(port, "/healthz")[0] for port in ports.values()} == {200}
        lines = [json.loads(line) for line in fleet.log("fuse-0").splitlines()]
        assert {line["program"] for line in lines} == {"fuse"}
        resumed = [line for line in lines if line["message"] == "resumes"]
        assert {(line["topic"], line["partition"], line["offset"]) for line in resumed} == {
            (settings.topic("observations"), partition, 0) for partition in range(PARTITIONS)
        }


@pytest.mark.slow
def test_rows_wait_while_nobody_marks_the_log_of_configurations(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Ingest says so and stays, for longer than a worker may stand still; then all is as one process says it."""
    workers = ("[workers]", f"stalled_after_s = {STALLED_AFTER_S}")
    with replayed_city(tmp_path, kafka, prefix, *workers) as fleet:
        settings = kafka_settings(fleet.site)
        wanted = kit.oracle(PARTITIONS, Site.open(fleet.site).desk_settings)
        *logs, control = kit.raw_logs()
        half = len(control) // 2
        for program in PROGRAMS:
            fleet.start(program)
        write_raw(settings, [*logs, control[:half]], fleet.check)
        assert _soon(lambda: fleet.log("ingest-0").count("waits for marks in") >= 3, fleet)
        fleet.check()
        write_raw(settings, [[] for _ in logs] + [control[half:]], fleet.check)
        said = read_all(settings, INCIDENTS, lambda found: len(found) >= len(wanted), fleet)
        assert list(dict.fromkeys(record.value for record in said)) == wanted


@pytest.mark.slow
def test_a_live_city_is_ready_and_stops_when_told(kafka: str, prefix: str, tmp_path: Path) -> None:
    """With a clock, log time is that of this machine; all five programs are ready, the feed too, and end with 0."""
    site = a_site(tmp_path / "city", kafka, prefix, ONE_EACH, "[feed]", 'address = "127.0.0.1:0"')
    (site / "city.geojson").write_bytes(city_to_geojson(kit.city()[0].city))
    applied(site)
    fleet, programs = Fleet(site), ("clock", "ingest", "fuse", "desk", "serve")
    ports = dict(zip(programs, free_ports(len(programs)), strict=True))
    try:
        for program, port in ports.items():
            fleet.start(program, "0", "--metrics", f"127.0.0.1:{port}")
        assert _soon(lambda: all(http(port, "/readyz")[0] == 200 for port in ports.values()), fleet)
        assert {http(port, "/healthz")[0] for port in ports.values()} == {200}
        assert _soon(lambda: 0.0 < _behind_s(http(ports["fuse"], "/metrics")[1]) < 10.0, fleet)
        assert 'records_sent_total{program="clock"' in http(ports["clock"], "/metrics")[1]
        assert {program: fleet.stop(f"{program}-0") for program in reversed(programs)} == dict.fromkeys(programs, 0)
        for program in programs:
            lines = fleet.log(f"{program}-0").splitlines()
            assert {json.loads(line)["program"] for line in lines} == {program}
    finally:
        fleet.end()


def _behind_s(metrics: str) -> float:
    told = [line for line in metrics.splitlines() if line.startswith("city_brain_log_behind_seconds{")]
    return float(told[0].split()[-1]) if told else 0.0
