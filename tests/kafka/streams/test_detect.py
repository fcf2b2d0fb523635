"""`streams.detect` on a real broker: cameras are shared and move, nothing comes late, and what they see is admitted."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaConsumer

from city_brain.distributed import Parcel
from city_brain.kafka.control import announce
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, OBSERVATIONS
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import CAMERA_HEALTH, Kind, Quantity
from city_brain.pipeline.configuration import Change
from city_brain.site import written
from streams.raw_outlet import GIVEN_UP_AFTER_S
from tests.kafka.broker import cluster, free_ports
from tests.kafka.sites import a_site, applied, kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, Fleet, ends_of, read_all
from tests.kafka.streams.replayed import http
from tests.kafka.streams.watched import DOWN_AFTER_S, Tap, a_city, one_in_each, sources, words

DETECTIONS, READINGS = "video.detections", "sensor.readings"
SEEN_MS = 1500
"""From the arrival of a frame to its record, on a machine with other work."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Programs of a site that a test makes in the folder `city`."""
    started = Fleet(tmp_path / "city")
    try:
        yield started
    finally:
        started.end()


def soon(holds: Callable[[], bool], fleet: Fleet) -> bool:
    """Whether something holds in the end."""
    until_s = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < until_s:
        fleet.check()
    return held


def shares(fleet: Fleet, *slots: str) -> list[set[str]]:
    """The cameras that each worker said last that it watches."""
    said = [re.findall(r"watches \d+ cameras: ([^\"]*)\"", fleet.log(f"detect-{slot}")) for slot in slots]
    return [set(found[-1].split(", ")) - {"none"} if found else set() for found in said]


@pytest.mark.slow
def test_what_cameras_see_is_admitted(kafka: str, prefix: str, tmp_path: Path, fleet: Fleet) -> None:
    """From frames to parcels of ingest: detections of every camera on the ground, the state of each, none refused; a
    camera that never comes is told to be down in time. Figures and health are there, and another map ends it with 0.
    """
    a_city(fleet.site, kafka, prefix, seconds=30, absent=("mast-99",))
    settings, names = kafka_settings(fleet.site), one_in_each()
    (port,) = free_ports(1)
    told: dict[tuple[str, str, float], int] = {}
    wanted = {(name, word.name.lower(), 0.0) for name in names for word in CAMERA_HEALTH}
    wanted.add(("mast-99", "camera_down", 1.0))
    with closing(Tap(settings, READINGS)) as readings, closing(Tap(settings, DETECTIONS)) as seen:
        fleet.start("detect", "0", "--metrics", f"127.0.0.1:{port}")
        fleet.start("clock")
        fleet.start("ingest")

        def all_told() -> bool:
            for record, rows in readings.take():
                for word in words(rows):
                    told.setdefault(word, record.timestamp)
            return wanted <= told.keys()

        assert soon(all_told, fleet)
        records = [(record, rows) for record, rows in seen.take(1000) if rows.n]
    watching = next(line for line in logged(fleet, "detect-0") if line["message"].startswith("watches 5 cameras"))
    begun_ms = 1000.0 * datetime.fromisoformat(watching["time"]).timestamp()
    assert told["mast-99", "camera_down", 1.0] - begun_ms < 1000 * DOWN_AFTER_S + SEEN_MS
    for record, rows in records:
        assert sources(rows) == {names[record.partition]}, "each camera stays in its partition"
        assert record.timestamp - rows.common.event_ms.min() < SEEN_MS

    def admitted(found: list[object]) -> bool:
        return {hash63(name) for name in names} <= set(rows_in(found).source[rows_in(found).kind == Kind.DETECTION])

    rows = rows_in(read_all(settings, OBSERVATIONS, admitted, fleet))
    down = (rows.kind == Kind.SENSOR) & (rows.code == Quantity.CAMERA_DOWN)
    assert {hash63(name) for name in (*names, "mast-99")} == set(rows.source[down].tolist())
    assert http(port, "/readyz")[0] == http(port, "/healthz")[0] == 200
    figures = http(port, "/metrics")[1]
    for name in names:
        (detections,) = re.findall(rf'camera_detections_total\{{camera="{name}",program="detect"\}} (\S+)', figures)
        assert float(detections) > 0
    assert 'camera_word{camera="mast-99",program="detect",word="camera_down"} 1.0' in figures
    assert 'rows_given_up_total{program="detect"} 0.0' in figures
    assert stored(settings, DEAD_LETTERS) == 0, "no row was refused"
    turned = json.loads((fleet.site / "city.geojson").read_text(encoding="utf-8"))
    turned["features"][0]["properties"]["homography_error_m"] = 0.5
    (fleet.site / "city.geojson").write_text(json.dumps(turned), encoding="utf-8")
    announce(settings, Change(since_ms=1, configuration=written(fleet.site)))
    assert fleet.processes.pop("detect-0").wait(30) == 0, "another map holds"


def rows_in(records: list[object]) -> Rows:
    """The admitted rows of parcels."""
    parcels = [Parcel.from_bytes(record.value) for record in records]  # type: ignore[attr-defined]
    return Rows.concat([parcel.rows for parcel in parcels if parcel.rows is not None])


def stored(settings: KafkaSettings, topic: str) -> int:
    """How many records a topic has."""
    with closing(KafkaConsumer(**settings.connection())) as consumer:
        return sum(ends_of(consumer, settings.topic(topic)))


def logged(fleet: Fleet, name: str) -> list[dict[str, str]]:
    """All lines that a program logged."""
    lines = (fleet.site.parent / f"{name}.log").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_cameras_are_shared_and_move_when_a_worker_is_killed(
    kafka: str, prefix: str, tmp_path: Path, fleet: Fleet
) -> None:
    """Two workers have two cameras each; those that stayed were not connected to again. After a SIGKILL all are seen by
    the other within the session, under tracks and numbers that are new; SIGTERM ends that one with 0.
    """
    a_city(fleet.site, kafka, prefix, "[workers]", "session_timeout_s = 6.0", seconds=60)
    settings, names = kafka_settings(fleet.site), one_in_each()
    (port,) = free_ports(1)
    fleet.start("detect", "a", "--metrics", f"127.0.0.1:{port}")
    assert soon(lambda: shares(fleet, "a") == [set(names)], fleet)
    fleet.start("detect", "b")
    assert soon(lambda: [len(share) for share in shares(fleet, "a", "b")] == [2, 2], fleet)
    mine, others = shares(fleet, "a", "b")
    assert mine | others == set(names)
    with closing(Tap(settings, DETECTIONS)) as seen:
        before = take_all(seen, set(names), fleet)
        figures = http(port, "/metrics")[1]
        assert {
            name: float(times)
            for name, times in re.findall(
                r'camera_connections_total\{camera="([^"]+)",program="detect"\} (\S+)', figures
            )
        } == dict.fromkeys(mine, 1.0)
        fleet.kill("detect-b")
        killed_s, killed_ms = time.monotonic(), 1000.0 * time.time()
        assert soon(lambda: shares(fleet, "a") == [set(names)], fleet)
        after = take_all(seen, set(names), fleet, killed_ms + 1000.0)
    assert time.monotonic() - killed_s < 6.0 + 12.0
    for name in others:
        (seq, track), (seq_then, track_then) = after[name], before[name]
        assert seq.min() > seq_then.max()
        assert track.min() > track_then.max()
    assert fleet.stop("detect-a") == 0


def take_all(
    seen: Tap, names: set[str], fleet: Fleet, since_ms: float = 0.0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numbers and tracks of each camera in records of a time and later, once every one has been seen."""
    found: dict[str, tuple[list[int], list[int]]] = {}

    def all_seen() -> bool:
        for record, rows in seen.take():
            if record.timestamp < since_ms:
                continue
            (name,) = sources(rows)
            numbers, tracks = found.setdefault(name, ([], []))
            numbers += rows.common.seq.tolist()
            tracks += rows.detections.track.tolist()
        return set(found) == names

    assert soon(all_seen, fleet)
    return {name: (np.array(numbers), np.array(tracks)) for name, (numbers, tracks) in found.items()}


@pytest.mark.slow
@pytest.mark.campaign
def test_brokers_that_are_away_make_nothing_late(java: None, tmp_path: Path, fleet: Fleet) -> None:
    """Frames are skipped and rows given up, both counted; what comes afterwards is new, and states are told again."""
    with cluster() as brokers:
        a_city(fleet.site, brokers.bootstrap_servers, "away.", seconds=60)
        settings, names = kafka_settings(fleet.site), one_in_each()
        (port,) = free_ports(1)
        with closing(Tap(settings, DETECTIONS)) as seen:
            fleet.start("detect", "0", "--metrics", f"127.0.0.1:{port}")
            take_all(seen, set(names), fleet)
        brokers.brokers[0].kill()
        time.sleep(2.0 * GIVEN_UP_AFTER_S)
        brokers.start()
        with closing(Tap(settings, DETECTIONS)) as seen, closing(Tap(settings, READINGS, whole=True)) as readings:
            late: list[int] = []
            told: Counter[str] = Counter()

            def back() -> bool:
                late.extend(int(record.timestamp - rows.common.event_ms.min()) for record, rows in seen.take())
                return len(late) > 100

            assert soon(back, fleet)
            assert max(late) < 1000.0 * GIVEN_UP_AFTER_S + SEEN_MS

            def told_again() -> bool:
                told.update(word[0] for _, rows in readings.take() for word in words(rows) if word[1] == "camera_down")
                return all(told[name] > 1 for name in names)

            assert soon(told_again, fleet)
        figures = http(port, "/metrics")[1]
        (given_up,) = re.findall(r'rows_given_up_total\{program="detect"\} (\S+)', figures)
        skipped = re.findall(r'camera_frames_skipped_total\{camera="[^"]+",program="detect"\} (\S+)', figures)
        assert float(given_up) > 0 and all(float(count) > 20 for count in skipped)
        said = [line["message"] for line in logged(fleet, "detect-0") if line["message"].startswith("rows are")]
        assert [words.split()[2] for words in said[:2]] == ["given", "stored"]


@pytest.mark.slow
@pytest.mark.campaign
def test_a_worker_that_was_frozen_tells_nothing_old(kafka: str, prefix: str, tmp_path: Path, fleet: Fleet) -> None:
    """The other takes its cameras, and gives some back when it wakes up; no record of either is late, and nobody tells
    of a camera beside the other for more than a heartbeat or two.
    """
    a_city(fleet.site, kafka, prefix, "[workers]", "session_timeout_s = 6.0", seconds=90)
    settings, names = kafka_settings(fleet.site), set(one_in_each())
    for slot in ("a", "b"):
        fleet.start("detect", slot)
    assert soon(lambda: [len(share) for share in shares(fleet, "a", "b")] == [2, 2], fleet)
    late: list[int] = []
    told: dict[tuple[str, int], list[int]] = {}

    def until(holds: Callable[[], bool]) -> None:
        def take() -> bool:
            for record, rows in seen.take():
                late.append(int(record.timestamp - rows.common.event_ms.min()))
                begun = int(rows.common.seq.min()) // 1_000_000
                told.setdefault((rows.strings[rows.common.source[0]], begun), []).append(record.timestamp)
            return holds()

        assert soon(take, fleet)

    with closing(Tap(settings, DETECTIONS)) as seen:
        fleet.signal("detect-b", signal.SIGSTOP)
        until(lambda: shares(fleet, "a") == [names])
        until(lambda: {name for name, _ in told} == names)
        fleet.signal("detect-b", signal.SIGCONT)
        until(lambda: [len(share) for share in shares(fleet, "a", "b")] == [2, 2])
        woken = len(late)
        until(lambda: len(late) > woken + 50)
    assert max(late) < SEEN_MS + 1000
    for name in names:
        spans = sorted((min(stamps), max(stamps)) for (camera, _), stamps in told.items() if camera == name)
        assert all(after[0] > before[1] - 1500 for before, after in pairwise(spans))


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ((), r"wanted cameras to watch, \[video.cameras.ID\], got none"),
        (("replayed = true", "[video.cameras.m]", 'address = "a.avi"'), "wanted live topics for cameras"),
    ],
)
def test_what_cannot_be_watched_is_told_at_the_start(
    kafka: str, prefix: str, fleet: Fleet, lines: tuple[str, ...], wrong: str
) -> None:
    a_city(fleet.site, kafka, prefix, seconds=1)
    a_site(fleet.site, kafka, prefix, *lines)
    if "replayed = true" in lines:
        applied(fleet.site)
    fleet.start("detect")
    assert fleet.processes.pop("detect-0").wait(60) == 1
    assert re.search(wrong, fleet.log("detect-0"))
