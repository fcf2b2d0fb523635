"""What both ends keep, in real stores: the simulated link on disk, restarts, compaction, feeds that begin anew."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import Incident, MultiLineString, ProvincialIncident, incident_line
from city_brain.province.books.city_book import CityStore
from city_brain.province.books.province_book import FEED, ProvinceStore, mirror_name
from city_brain.province.link.city_end import CityEnd
from city_brain.province.link.province_end import ProvinceEnd
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from city_brain.wire.province.v1 import province_pb2
from tests.feeds.builders import NAMES, START_MS, TYPES, an_incident, evidence
from tests.store.conftest import postgres, url

__all__ = ["postgres", "url"]
CITIES = {"370100": "Jinan", "370200": "Qingdao"}
DAY_MS = 86_400_000


class City:
    """A store with the feed of one city, which grows tick by tick."""

    def __init__(self, folder: Path, code: str, feed_id: str = "feed-1", start_ms: int = START_MS) -> None:
        self.store = Store.open(f"sqlite:///{folder}/{code}-{feed_id}.sqlite")
        self.code, self.feed_id, self.tick, self.start_ms = code, feed_id, 0, start_ms
        self.feed = self.store.feed(code)

    def append(self, *incidents: Incident) -> None:
        """The next tick, at whose end these were decided."""
        self.tick += 1
        now_ms = self.start_ms + 1_000 * self.tick
        decided = [msgspec.structs.replace(incident, updated_ms=now_ms) for incident in incidents]
        self.feed.append(self.feed_id, [TickChanges(tick=self.tick, log_time_ms=now_ms, incidents=decided)])

    def lines(self) -> list[bytes]:
        """All its lines."""
        return [incident_line(change.incident) for change in self.feed.changes(0, 10_000)]

    def end(self) -> CityEnd:
        """Its end of a new link."""
        return CityEnd(CityStore(self.store, lambda: self.feed, lambda: NAMES), self.code, CITIES[self.code])


class Province:
    """A province in a store."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now_ms = START_MS
        self.told: list[ProvincialIncident] = []
        self.open()

    def open(self) -> None:
        """As after a restart."""
        self.store = Store.open(self.url)
        self.book = ProvinceStore(self.store, CITIES, TYPES.by_name, "370000", lambda: self.now_ms)
        self.book.told = lambda after, revisions: self.told.extend(revisions)

    def restart(self) -> None:
        """Closes and opens it."""
        self.store.close()
        self.open()

    def lines(self, city: City) -> list[bytes]:
        """The mirror of a city."""
        mirror = self.store.feed(mirror_name(city.code, city.feed_id))
        return [incident_line(change.incident) for change in mirror.changes(mirror.head().first_number - 1, 10_000)]

    def newest(self) -> list[ProvincialIncident]:
        """Its incidents."""
        return [one.incident for one in self.book.feed().held() if isinstance(one.incident, ProvincialIncident)]


def talk(city: City, province: Province, messages: int = 10_000) -> list[province_pb2.Answer]:
    """One link, until nobody has anything to say or it is cut after so many messages; returns the city's answers."""
    up, down = city.end(), ProvinceEnd(province.book, city.code, (3, 1 << 20))
    waiting, answers = [up.opening()], []
    for _ in range(messages):
        if not waiting:
            waiting += [answer for order in down.poll() for answer in up.received(order)] + up.poll()
            if not waiting:
                break
        message = waiting.pop(0)
        answers += [message.answer] if message.HasField("answer") else []
        waiting += [said for answer in down.received(message) for said in up.received(answer)]
    return answers


@pytest.fixture
def province(url: str) -> Iterator[Province]:
    """A province with an empty store, on SQLite and on PostgreSQL."""
    opened = Province(url)
    yield opened
    opened.store.close()


def _crashes(city: int, count: int) -> list[Incident]:
    return [
        an_incident(f"{city}-{at}", lat=36.0 + 0.01 * at, updated_ms=START_MS + at, position_error_m=1.0)
        for at in range(count)
    ]


def _grow(city: City, incidents: Sequence[Incident]) -> None:
    for incident in incidents:
        city.append(incident)


def test_links_that_are_cut_and_programs_that_restart_leave_the_same_at_both_ends(
    tmp_path: Path, province: Province
) -> None:
    """Two cities that see the same twenty crashes: twenty provincial incidents with two members each, none twice."""
    cities = [City(tmp_path, code) for code in CITIES]
    chance = random.Random(7)
    for at in range(20):
        for number, city in enumerate(cities):
            city.append(_crashes(number, 20)[at])
            talk(city, province, chance.randrange(8))
            if chance.random() < 0.3:
                province.restart()
    for city in cities:
        talk(city, province)
        mirror = province.store.feed(mirror_name(city.code, city.feed_id)).head()
        assert province.lines(city) == city.lines()
        assert (mirror.last_number, mirror.digest) == (20, city.feed.head().digest)
        assert province.book.heard_of[city.code].agrees is True
    assert sorted(len(incident.members) for incident in province.newest()) == [2] * 20
    assert [incident_line(change.incident) for change in province.book.feed().changes(0, 1_000)] == [
        incident_line(incident) for incident in province.told
    ], "what was told is what is held, in order and once"
    assert not province.store.check().damage


def test_two_programs_on_one_store_join_as_one_would(tmp_path: Path, province: Province) -> None:
    """Each sees that the other has written, and builds its joining anew."""
    cities = [City(tmp_path, code) for code in CITIES]
    first, second = province.book, ProvinceStore(province.store, CITIES, TYPES.by_name, "370000", lambda: START_MS)
    for at in range(6):
        for number, city in enumerate(cities):
            city.append(_crashes(number, 6)[at])
            province.book = (first, second)[number]
            talk(city, province)
    assert [len(incident.members) for incident in province.newest()] == [2] * 6


def test_the_lines_of_another_history_are_refused_and_nothing_is_taken(tmp_path: Path, province: Province) -> None:
    city = City(tmp_path, "370100")
    _grow(city, _crashes(0, 3))
    talk(city, province)
    before = province.book.feed().head()
    other = [(incident_line(an_incident("x")), START_MS)]
    with pytest.raises(RefusedError) as wrong:
        province.book.accept(city.code, city.feed_id, 3, other * 2)
    assert wrong.value.reason == Reason.OUT_OF_STEP
    assert province.book.feed().head() == before
    city.append(an_incident("y"))
    talk(city, province)
    assert province.lines(city) == city.lines()


def test_a_city_that_the_province_has_not_is_refused(province: Province) -> None:
    with pytest.raises(RefusedError, match="370100, 370200") as wrong:
        province.book.open(province_pb2.Hello(city_code="370900", feed_id="f", first_change_number=1))
    assert wrong.value.reason == Reason.NO_SUCH_CITY


def test_a_feed_that_begins_anew_takes_the_place_of_the_one_before(tmp_path: Path, province: Province) -> None:
    """Once it has judged as far as the old one had: what it does not know is withdrawn, what it knows goes on."""
    old = City(tmp_path, "370100", "old")
    _grow(old, _crashes(0, 3))
    talk(old, province)
    new = City(tmp_path, "370100", "new")
    known = _crashes(0, 3)[1]
    new.append(known)
    talk(new, province)
    assert [incident.state for incident in province.newest()].count("withdrawn") == 0, "it has not caught up yet"
    new.append()
    new.append()
    talk(new, province)
    states = {incident.members[0].incident_id: (incident.state, incident.reason) for incident in province.newest()}
    gone = ("withdrawn", "feed_replaced")
    assert states == {"0-0": gone, "0-1": ("active", None), "0-2": gone}
    province.restart()
    new.append(an_incident("0-1", 2, lat=known.lat, updated_ms=START_MS + 9))
    talk(new, province)
    assert {incident.members[0].incident_id: incident.state for incident in province.newest()} == {
        "0-0": "withdrawn",
        "0-1": "active",
        "0-2": "withdrawn",
    }


def test_a_city_that_goes_back_to_a_feed_of_before_has_its_incidents_again(tmp_path: Path, province: Province) -> None:
    old, new = City(tmp_path, "370100", "old"), City(tmp_path, "370100", "new")
    _grow(old, _crashes(0, 2))
    talk(old, province)
    for _ in range(3):
        new.append()
    new.append(an_incident("n", lat=40.0))
    talk(new, province)
    assert [incident.state for incident in province.newest()] == ["active", "withdrawn", "withdrawn"]
    for _ in range(3):
        old.append()
    talk(old, province)
    assert {one.members[0].incident_id: one.state for one in province.newest()} == {
        "0-0": "active",
        "0-1": "active",
        "n": "withdrawn",
    }


@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_over_for_long_is_forgotten_but_nothing_that_a_held_incident_is_made_of(
    tmp_path: Path, province: Province, restarts: bool
) -> None:
    """One crash goes on at one city and is long over at the other: both members stay; the next revision is whole."""
    one, other = City(tmp_path, "370100"), City(tmp_path, "370200")
    here, there = _crashes(0, 1)[0], _crashes(1, 1)[0]
    far = an_incident("far", lat=40.0, updated_ms=START_MS)
    _grow(one, [here, far])
    over = {"state": "ended", "ended_ms": START_MS + 5, "updated_ms": START_MS + 5}
    _grow(other, [there, an_incident("1-0", 2, lat=there.lat, position_error_m=1.0, **over)])
    _grow(one, [an_incident("far", 2, lat=40.0, **over)])
    for city in (one, other):
        talk(city, province)
    province.now_ms += 40 * DAY_MS
    for city in (one, other):
        city.start_ms += 40 * DAY_MS
    _grow(one, [an_incident("0-0", 2, lat=here.lat, position_error_m=1.0, updated_ms=one.start_ms)])
    talk(one, province)
    province.book.compact(30.0)
    assert len(province.newest()) == 2, "the other city has not come so far"
    _grow(other, [an_incident("late", lat=41.0, updated_ms=other.start_ms)])
    talk(other, province)
    assert province.book.compact(30.0) > 0
    assert {incident.members[0].incident_id for incident in province.newest()} == {"0-0", "late"}
    if restarts:
        province.restart()
    _grow(one, [an_incident("0-0", 3, lat=here.lat, position_error_m=1.0, updated_ms=one.start_ms + 5)])
    talk(one, province)
    (both,) = [incident for incident in province.newest() if len(incident.members) == 2]
    assert both.sources == ("370100/cam-1", "370100/mic-2", "370200/cam-1", "370200/mic-2")
    assert not province.store.check().damage


def _order(instruction_id: str, **order: object) -> province_pb2.Instruction:
    return province_pb2.Instruction(instruction_id=instruction_id, **order)  # type: ignore[arg-type]


def test_a_follow_up_is_received_and_done_with_the_revision_that_ended_it(tmp_path: Path, province: Province) -> None:
    """Also over a cut and restarts of both ends; the same answers come once."""
    city = City(tmp_path, "370100")
    _grow(city, _crashes(0, 2))
    order = _order("urge-1", follow_up=province_pb2.FollowUp(incident_id="0-1", text="clear the lane"))
    assert province.book.instruct("370100", order, "duty officer").progress == 1
    talk(city, province, 3)
    talk(city, province)
    state = province.book.orders.get("urge-1")
    assert (state.progress, state.instruction.issuer, len(state.answers)) == (3, "duty officer", 1)
    province.restart()
    over = {"state": "ended", "ended_ms": START_MS + 50, "updated_ms": START_MS + 50}
    city.append(an_incident("0-1", 2, lat=36.01, **over))
    talk(city, province)
    state = province.book.orders.get("urge-1")
    assert [answer.progress for answer in state.answers] == [3, 4]
    assert state.progress == province_pb2.INSTRUCTION_PROGRESS_DONE
    assert "revision 2" in state.answers[1].text
    assert talk(city, province) == [], "what is done is not told again"


def test_a_query_counts_and_a_readiness_is_recorded_and_the_unknown_is_refused(
    tmp_path: Path, province: Province, caplog: pytest.LogCaptureFixture
) -> None:
    """And whoever is on duty in the city reads each of them once."""
    city = City(tmp_path, "370100")
    _grow(city, _crashes(0, 3))
    book = province.book
    book.instruct("370100", _order("count", query=province_pb2.Query()), "officer")
    bad = province_pb2.Query()
    bad.filter.types.append("crush")
    book.instruct("370100", _order("bad", query=bad), "officer")
    ready = province_pb2.Readiness(level=2)  # type: ignore[arg-type]
    ready.until_time.FromMilliseconds(START_MS + 5_000)
    book.instruct("370100", _order("ready", readiness=ready), "officer")
    book.instruct("370100", _order("gone", follow_up=province_pb2.FollowUp(incident_id="nothing")), "officer")
    talk(city, province)
    states = {name: book.orders.get(name) for name in ("count", "bad", "ready", "gone")}
    assert {name: state.progress for name, state in states.items()} == {"count": 4, "bad": 5, "ready": 4, "gone": 5}
    assert (states["count"].answers[0].count, len(states["count"].answers[0].lines)) == (3, 3)
    assert "did you mean 'crash'" in states["bad"].answers[0].text
    talk(city, province)
    said = [record.getMessage() for record in caplog.records if record.name == "city_brain"]
    assert len(said) == 4
    assert any("by officer: readiness II until 2026-05-28T" in line for line in said), said


def test_an_instruction_has_one_content_and_a_time_that_ends(tmp_path: Path, province: Province) -> None:
    order = _order("urge-1", follow_up=province_pb2.FollowUp(incident_id="a"))
    order.follow_up.due_time.FromMilliseconds(START_MS + 1_000)
    first = province.book.instruct("370100", order, "officer")
    assert province.book.instruct("370100", order, "somebody else") == first
    for city, other in (("370200", order), ("370100", _order("urge-1", query=province_pb2.Query()))):
        with pytest.raises(RefusedError) as wrong:
            province.book.instruct(city, other, "officer")
        assert wrong.value.reason == Reason.INSTRUCTION_CHANGED
    province.now_ms = START_MS + 1_000
    assert province.book.orders.get("urge-1").progress == province_pb2.INSTRUCTION_PROGRESS_EXPIRED
    assert province.book.instructions("370100") == []


@pytest.mark.parametrize(
    "order",
    [
        _order("a/b", query=province_pb2.Query()),
        _order("a"),
        _order("a", follow_up=province_pb2.FollowUp()),
        _order("a", readiness=province_pb2.Readiness()),
        _order("a", readiness=province_pb2.Readiness(level=1)),  # type: ignore[arg-type]
    ],
    ids=["id", "nothing", "no incident", "no level", "no end"],
)
def test_an_instruction_that_makes_no_sense_is_refused(province: Province, order: province_pb2.Instruction) -> None:
    with pytest.raises(RefusedError) as wrong:
        province.book.instruct("370100", order, "officer")
    assert wrong.value.reason == Reason.BAD_REQUEST
    assert wrong.value.field.startswith("instruction.")


def test_the_history_is_held_back_for_the_province(tmp_path: Path, province: Province) -> None:
    """What it has not acknowledged is not forgotten, however old; nor before the first link."""
    city = City(tmp_path, "370100")
    _grow(city, _crashes(0, 3))
    CityStore(city.store, lambda: city.feed, lambda: NAMES).hold_back()
    city.start_ms += 40 * DAY_MS
    province.now_ms = city.start_ms
    city.append(an_incident("new", updated_ms=city.start_ms))
    assert city.feed.compact(DAY_MS).kept_for == "province"
    talk(city, province)
    assert city.feed.compact(DAY_MS).forgotten == 3
    assert len(province.lines(city)) == 4


@pytest.mark.parametrize(
    "said",
    [
        {"position_error_m": 1e7},
        {"lon": 500.0},
        {"geometry": MultiLineString(coordinates=(((117.0, 36.0),),))},
        {"first_seen_ms": -1},
        {"ended_ms": 10**15},
        {"evidence": (evidence("abrupt_stop", ("cam-1",), 1.0, rows=((2**40, 0, 0),)),)},
    ],
)
def test_a_line_that_would_stop_others_is_refused(tmp_path: Path, province: Province, said: dict[str, Any]) -> None:
    """It ends the link of the city that sends it, and nothing of it is kept; other cities go on."""
    one, other = City(tmp_path, "370100"), City(tmp_path, "370200")
    _grow(one, [an_incident("bad", **said)])
    with pytest.raises(RefusedError) as refused:
        talk(one, province)
    assert refused.value.reason == Reason.OUT_OF_STEP
    _grow(other, _crashes(0, 2))
    talk(other, province)
    assert len(province.lines(other)) == 2
    assert province.newest()


def test_a_city_whose_clock_is_far_ahead_is_refused(tmp_path: Path, province: Province) -> None:
    """Else one day of the year 9999 would keep everything for ever."""
    city = City(tmp_path, "370100")
    city.start_ms += 3 * DAY_MS
    _grow(city, _crashes(0, 1))
    with pytest.raises(RefusedError, match="wanted one of 1970 to 20"):
        talk(city, province)


def test_feeds_are_named_apart() -> None:
    assert mirror_name("370100", "a") != FEED
