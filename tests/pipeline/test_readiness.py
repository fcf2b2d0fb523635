"""What areas must be ready for: by code, border and circle, as long as a warning holds, the gravest first."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from city_brain.city.city_map import CityMap
from city_brain.errors import StateError
from city_brain.feeds.heartbeat import MOST_READY, AreaReadiness
from city_brain.formats.cap.alert import Alert
from city_brain.formats.cap.readiness import ReadinessBook
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.cap.writing import write_alert
from city_brain.formats.times import epoch_ms
from city_brain.pipeline.readiness import (
    EVENT_LENGTH,
    HEADLINE_LENGTH,
    TICK_BYTES,
    WAITING_BYTES,
    AlertQueue,
    ReadinessDesk,
    packed_alert,
)
from city_brain.ticks.arrival import LogTime
from tests.city.city_maps import FRAME, area, built, square
from tests.formats.samples import warning

SENT_MS = epoch_ms("2026-08-26T16:09:13+08:00") or 0
HOUR_MS = 3_600_000
ID = "37010041600000_20260826160913"
BORDER = "<polygon>36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9</polygon>"
CIRCLE = "<circle>36.65,117.0 5</circle>"
CODE = "<value>370100000000</value>"
DISTRICTS = (
    area("west", [(-3000, -3000), (0, -3000), (0, 3000), (-3000, 3000)], "370104", name="槐荫区"),
    area("east", [(0, -3000), (3000, -3000), (3000, 3000), (0, 3000)], "370102", name_en="Lixia"),
    area("park", square(5000, 0, 500), "park"),
)


def city() -> CityMap:
    return built(*DISTRICTS)


def step(desk: ReadinessDesk, ground: CityMap, due_ms: int, *alerts: Alert) -> tuple[AreaReadiness, ...]:
    """What areas must be ready for behind a tick with these alerts."""
    said = desk.step(ground, due_ms, [packed_alert(write_alert(alert)) for alert in alerts])
    assert said.total == len(said.areas)
    return said.areas


def codes(said: tuple[AreaReadiness, ...]) -> list[str]:
    return [item.area_code for item in said]


def placed(x: float, y: float) -> str:
    """A position of the map as CAP writes it: latitude first."""
    lon, lat = FRAME.to_degrees(x, y)
    return f"{lat:.7f},{lon:.7f}"


def drawn(*corners: tuple[float, float]) -> str:
    return f"<polygon>{' '.join(placed(*at) for at in (*corners, corners[0]))}</polygon>"


def about(border: str = "", circle: str = "", code: str = "990000", name: str = ID, **said: str) -> Alert:
    """The warning about another place."""
    return read_alert(
        warning((BORDER, border), (CIRCLE, circle), (CODE, f"<value>{code}</value>"), (ID, name), *said.items())
    )


@pytest.mark.parametrize(
    ("alert", "wanted"),
    [
        (about(code="370102000000"), ["370102"]),
        (about(code="370100000000"), ["370102", "370104"]),
        (about(code="370104001000"), ["370104"]),
        (about(code="370200000000"), []),
        (about(drawn((100, 100), (900, 100), (900, 900))), ["370102"]),
        (about(drawn((-100, 100), (900, 100), (900, 900))), ["370102", "370104"]),
        (about(drawn((3000, 0), (4000, 0), (4000, 900))), []),
        (about(circle=f"<circle>{placed(6000, 0)} 0.4</circle>"), []),
        (about(circle=f"<circle>{placed(6000, 0)} 0.6</circle>"), ["park"]),
        (about(circle=f"<circle>{placed(-2900, 0)} 0</circle>"), ["370104"]),
        (about(drawn((100, 100), (900, 900), (900, 100), (100, 900)), code="370104000000"), ["370102", "370104"]),
        (about(code="park"), ["park"]),
    ],
)
def test_a_warning_is_about_the_areas_that_it_names_or_reaches(alert: Alert, wanted: list[str]) -> None:
    """Borders that only touch do not count; one that crosses itself still has an inside."""
    assert codes(step(ReadinessDesk("370100"), city(), SENT_MS, alert)) == wanted


def test_it_holds_from_its_beginning_to_its_end_without_another_word() -> None:
    desk, ground = ReadinessDesk("370100"), city()
    assert step(desk, ground, SENT_MS - HOUR_MS, about(code="370102000000")) == ()
    times = [SENT_MS - 1, SENT_MS, SENT_MS + 24 * HOUR_MS - 1, SENT_MS + 24 * HOUR_MS]
    said = [step(desk, ground, at) for at in times]
    assert list(map(bool, said)) == [False, True, True, False]
    [item] = said[1]
    assert item == AreaReadiness(
        area_code="370102", name="Lixia", level="II", event="暴雨", event_codes=("11B03",), sender="37010041600000",
        headline="济南市气象台发布暴雨橙色预警[II级/严重]", identifier=ID,
        from_ms=SENT_MS, until_ms=SENT_MS + 24 * HOUR_MS,
    )  # fmt: skip


def test_the_gravest_comes_first_and_exercises_never() -> None:
    blue = {"橙色预警[II级/严重]": "蓝色预警[IV级/一般]"}
    alerts = [
        about(code="370104000000", name="blue", **blue),
        about(code="370104000000", name="orange"),
        about(code="370104000000", name="drill", **{"<status>Actual": "<status>Exercise"}),
        about(code="370100000000", name="red", **{"橙色预警[II级/严重]": "红色预警[I级/特别严重]"}),
    ]
    said = step(ReadinessDesk("370100"), city(), SENT_MS, *alerts)
    assert [(item.identifier, item.area_code, item.level) for item in said] == [
        ("red", "370102", "I"), ("red", "370104", "I"), ("orange", "370104", "II"), ("blue", "370104", "IV"),
    ]  # fmt: skip


def test_another_map_has_other_areas_at_once() -> None:
    desk = ReadinessDesk("370100")
    assert codes(step(desk, city(), SENT_MS, about(code="370100000000"))) == ["370102", "370104"]
    assert codes(step(desk, built(DISTRICTS[0]), SENT_MS + 1000)) == ["370104"]


def test_a_map_without_areas_is_one_area_by_the_name_of_the_city() -> None:
    plain = built(area_less())
    said = step(ReadinessDesk("370100"), plain, SENT_MS, about(code="370100000000"))
    assert [(item.area_code, item.name) for item in said] == [("370100", "")]
    reached = about(drawn((-100, -100), (100, -100), (100, 100), (-100, 100)))
    assert codes(step(ReadinessDesk("jinan"), plain, SENT_MS, reached)) == ["jinan"]
    assert step(ReadinessDesk("jinan"), plain, SENT_MS, about(drawn((9000, 0), (9900, 0), (9900, 900)))) == ()


def area_less() -> dict[str, object]:
    from tests.city.city_maps import degrees, feature

    return feature("sensor", "air", "Point", degrees(0.0, 0.0), quantity="temperature", unit="degC", period_s=10.0)


def test_texts_of_any_length_are_cut() -> None:
    long = {"<event>暴雨": f"<event>{'雨' * 9999}", "济南市气象台发布": "长" * 99_999}
    [item] = step(ReadinessDesk("370100"), city(), SENT_MS, about(code="370102000000", **long))
    assert (len(item.event), len(item.headline)) == (EVENT_LENGTH, HEADLINE_LENGTH)


def stories(seed: int) -> Iterator[tuple[int, list[Alert]]]:
    """Ticks with alerts that begin, end, replace and cancel each other at random."""
    chance = np.random.Generator(np.random.PCG64(seed))
    names: list[str] = []
    for hour in range(60):
        alerts = []
        for _ in range(int(chance.integers(0, 3))):
            kind = ("Alert", "Update", "Cancel")[int(chance.integers(3)) if names else 0]
            changes = {"<msgType>Alert": f"<msgType>{kind}"}
            if kind != "Alert":
                other = names[int(chance.integers(len(names)))]
                reference = f"37010041600000,{other},2026-08-26T16:09:13+08:00"
                changes["<info>"] = f"<references>{reference}</references><info>"
            begins, ends = int(chance.integers(0, 24)), int(chance.integers(24, 48))
            changes["<effective>2026-08-26T16"] = f"<effective>2026-08-{26 + begins // 20:02}T{begins % 20 + 2:02}"
            changes["<expires>2026-08-27T16"] = f"<expires>2026-08-{27 + ends // 36:02}T{ends % 20:02}"
            code = ("370102000000", "370104000000", "370100000000")[int(chance.integers(3))]
            names.append(f"w{len(names)}")
            alerts.append(about(code=code, name=names[-1], **changes))
        yield SENT_MS + hour * HOUR_MS // 2, alerts


@pytest.mark.parametrize("seed", range(5))
def test_it_says_the_same_from_its_bytes_at_any_tick(seed: int) -> None:
    """What is kept from tick to tick is no more than a shortcut."""
    desk, ground, told = ReadinessDesk("370100"), city(), set()
    for due_ms, alerts in stories(seed):
        again = ReadinessDesk("370100", ReadinessBook.from_bytes(desk.book.to_bytes()))
        said = step(desk, ground, due_ms, *alerts)
        assert step(again, ground, due_ms, *alerts) == said
        told.add(said)
    assert len(told) > 10


def test_alerts_wait_for_the_tick_behind_their_arrival() -> None:
    """The later of stamp and last mark; of one tick by arrival, raw partition and offset."""
    queue, log_time = AlertQueue(), LogTime({0: 1_000, 1: 5_000})
    records = ((b"a", 1, 4, 2_000), (b"b", 0, 9, 2_000), (b"c", 0, 10, 5_000), (b"d", 1, 5, 6_000))
    for name, raw, offset, stamp_ms in records:
        queue.take(log_time, raw, offset, stamp_ms, name)
    due = {at: queue.due(at).packed for at in (2_000, 2_001, 6_000, 9_000, 10_000)}
    assert due == {2_000: (), 2_001: (b"b",), 6_000: (b"c", b"a"), 9_000: (b"d",), 10_000: ()}


def test_a_flood_of_alerts_fills_no_record_and_no_memory() -> None:
    """A tick takes what fits its record, more waits, and what is beyond that is let go and counted, the last first."""
    queue, log_time, count = AlertQueue(), LogTime({0: 0}), 80
    for offset in range(count):
        queue.take(log_time, 0, offset, 1_000, b"%06d" % offset + b"." * 500_000)
    sizes, told, let_go = [], [], 0
    for due_ms in range(2_000, 2_000 + 1_000 * count, 1_000):
        due = queue.due(due_ms)
        sizes.append(sum(map(len, due.packed)))
        told += [int(packed[:6]) for packed in due.packed]
        let_go += due.let_go
    assert max(sizes) <= TICK_BYTES
    assert told == list(range(TICK_BYTES // 500_006 + WAITING_BYTES // 500_006))
    assert let_go == count - len(told)
    queue.take(log_time, 0, count, 1_000, b"." * (2 * TICK_BYTES))
    assert len(queue.due(2_000).packed) == 1, "one that is larger than a tick goes alone"


def test_a_city_under_many_warnings_lists_the_gravest_and_counts_all() -> None:
    desk = ReadinessDesk("370100")
    blue = {"橙色预警[II级/严重]": "蓝色预警[IV级/一般]"}
    alerts = [about(code="370104000000", name=f"blue-{at}", **blue) for at in range(MOST_READY + 50)]
    said = desk.step(city(), SENT_MS, [packed_alert(write_alert(one)) for one in (*alerts, about(code="370104000000"))])
    assert (said.total, len(said.areas)) == (MOST_READY + 51, MOST_READY)
    assert [item.identifier for item in said.areas[:2]] == [ID, "blue-0"]


def test_hostile_borders_cost_little() -> None:
    """One that crosses itself everywhere is taken as its hull."""
    chance = np.random.Generator(np.random.PCG64(1))
    corners = [(float(x), float(y)) for x, y in chance.uniform(-2_000, 2_000, (9_000, 2))]
    began_s = time.perf_counter()
    assert codes(step(ReadinessDesk("370100"), city(), SENT_MS, about(drawn(*corners)))) == ["370102", "370104"]
    assert time.perf_counter() - began_s < 5.0


def test_what_is_no_packed_alert_is_refused() -> None:
    with pytest.raises(StateError, match="alert: wanted a packed one"):
        ReadinessDesk("370100").step(city(), SENT_MS, [b"\xff"])
