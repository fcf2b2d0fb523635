"""Warnings of others become readiness: what holds where and when, replaced and cancelled as the messages say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import StateError
from city_brain.formats.cap.alert import Alert
from city_brain.formats.cap.codes import full, holds, narrowest, stem
from city_brain.formats.cap.incidents import Outbox, alert_of
from city_brain.formats.cap.readiness import DEFAULT_VALID_MS, MOST_BYTES, ReadinessBook, level_of, readiness_of
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.cap.writing import write_alert
from city_brain.formats.times import epoch_ms
from tests.formats.samples import ISSUER, OFFSETS, TYPES, revision, warning

SENT_MS = epoch_ms("2026-08-26T16:09:13+08:00") or 0
HOUR_MS = 3_600_000
ID = "37010041600000_20260826160913"


def message(*changes: tuple[str, str]) -> Alert:
    """The warning with words replaced."""
    return read_alert(warning(*changes))


def named(name: str, kind: str = "Alert", *refers: str, **said: str) -> Alert:
    """A message of the same sender that refers to others of it."""
    references = " ".join(f"37010041600000,{other},2026-08-26T16:09:13+08:00" for other in refers)
    return message(
        (ID, name),
        ("<msgType>Alert", f"<msgType>{kind}"),
        ("<info>", f"<references>{references}</references><info>" if refers else "<info>"),
        *said.items(),
    )


def names(book: ReadinessBook, log_ms: int = SENT_MS, code: str = "370102") -> list[str]:
    """Identifiers of what holds."""
    in_force = book.in_force(log_ms)
    return [item.identifier for item in in_force if any(holds(outer, code) for outer in item.area_codes)]


def test_a_warning_says_what_holds_where_and_until_when() -> None:
    [item] = readiness_of(message())
    assert (item.event, item.event_codes, item.level, item.severity) == ("暴雨", ("11B03",), "II", "Severe")
    assert (item.sender, item.identifier, item.status) == ("37010041600000", ID, "Actual")
    assert (item.area_codes, item.places) == (("370100000000",), ("济南市",))
    assert (item.from_ms, item.until_ms) == (SENT_MS, SENT_MS + 24 * HOUR_MS)
    assert [item.holds_at(at) for at in (SENT_MS - 1, SENT_MS, item.until_ms - 1, item.until_ms)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("headline", "severity", "level"),
    [
        ("石家庄市气象台发布雷电黄色预警[III级/较重]", "Unknown", "III"),
        ("发布暴雨红色预警", "Minor", "I"),
        ("发布大风蓝色预警", "Severe", "IV"),
        ("发布大雾橙色预警", "Unknown", "II"),
        ("发布高温预警[Ⅰ级/特别严重]", "Minor", "I"),
        ("Shijiazhuang issues a yellow warning of lightning [Level IV/General]", "Extreme", "IV"),
        ("orange alert of rainstorm", "Unknown", "II"),
        ("flood warning", "Extreme", "I"),
        ("flood warning", "Moderate", "III"),
        ("flood warning", "Unknown", None),
        ("", "Minor", "IV"),
        ("Reduced visibility", "Unknown", None),
    ],
)
def test_the_level_is_what_the_headline_says_first(headline: str, severity: str, level: str | None) -> None:
    """In figures, then by its colour, and only then the severity."""
    [info] = message(("济南市气象台发布暴雨橙色预警[II级/严重]", headline), (">Severe<", f">{severity}<")).infos
    assert level_of(info) == level


@pytest.mark.parametrize(
    ("code", "wanted"),
    [("370000", "37"), ("370100000000", "3701"), ("370102", "370102"), ("370102001", "370102001"), ("000000", "")],
)
def test_zeros_at_the_end_of_a_code_stand_for_all_within(code: str, wanted: str) -> None:
    assert (stem(code), stem(full(code))) == (wanted, wanted)


@pytest.mark.parametrize(
    ("outer", "inner", "said"),
    [
        ("370000", "370102", True),
        ("370100000000", "370102001", True),
        ("370102", "370102000000", True),
        ("370102", "370100", False),
        ("370102", "370103", False),
        ("000000", "370102", True),
        ("north", "north", True),
        ("north", "northwest", False),
        ("37", "370102", False),
    ],
)
def test_an_area_holds_those_within_it(outer: str, inner: str, said: bool) -> None:
    assert holds(outer, inner) is said


def test_of_nested_areas_the_narrowest_are_those_that_hold_no_other() -> None:
    assert narrowest(("370000", "370100", "370102", "370103", "x")) == ("370102", "370103", "x")
    assert narrowest(("370100", "370100000000")) == ("370100", "370100000000")


def test_an_update_replaces_and_a_cancel_ends_what_it_refers_to() -> None:
    book = ReadinessBook()
    said = [
        book.take(alert, SENT_MS)
        for alert in (named("a"), named("b", "Update", "a"), named("c"), named("d", "Cancel", "b"))
    ]
    assert said == ["taken", "taken", "taken", "ended"]
    assert names(book) == ["c"]
    assert (book.counts.replaced, book.counts.cancelled) == (1, 1)


def test_what_was_cancelled_before_it_came_does_not_rise_again() -> None:
    book = ReadinessBook()
    alerts = named("d", "Cancel", "b"), named("b", "Update", "a"), named("a"), named("a")
    assert [book.take(alert, SENT_MS) for alert in alerts] == ["ended", "superseded", "superseded", "superseded"]
    assert names(book) == []


@pytest.mark.parametrize(
    "change",
    [("<urgency>Expected", "<urgency>Past"), ("<urgency>", "<responseType>AllClear</responseType><urgency>")],
)
def test_the_all_clear_ends_what_it_refers_to_and_holds_nothing(change: tuple[str, str]) -> None:
    book = ReadinessBook()
    book.take(named("a"), SENT_MS)
    assert book.take(named("b", "Update", "a", **dict([change])), SENT_MS) == "ended"
    assert (names(book), book.counts.replaced) == ([], 1)
    assert book.take(named("b"), SENT_MS) == "superseded"


def test_another_sender_ends_nothing() -> None:
    """Its reference is counted and not followed."""
    book = ReadinessBook()
    book.take(named("a"), SENT_MS)
    foreign = named("z", "Cancel", "a", **{"<sender>37010041600000": "<sender>somebody"})
    assert book.take(foreign, SENT_MS) == "ended"
    assert (names(book), book.counts.strange, book.counts.cancelled) == (["a"], 1, 0)


def test_the_same_message_counts_once() -> None:
    book = ReadinessBook()
    assert [book.take(named("a"), SENT_MS) for _ in range(2)] == ["taken", "repeated"]
    assert names(book) == ["a"]


@pytest.mark.parametrize(
    "changes",
    [
        [("Actual", "Draft")],
        [("Actual", "System")],
        [("<msgType>Alert", "<msgType>Ack")],
        [("<msgType>Alert", "<msgType>Error")],
        [("CPEAS Geographic Code", "FIPS6"), ("<circle>36.65,117.0 5</circle>", ""),
         ("<polygon>36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9</polygon>", "")],
    ],
)  # fmt: skip
def test_what_warns_of_nothing_is_ignored(changes: list[tuple[str, str]]) -> None:
    """Drafts, receipts, and areas in codes that no city's map has."""
    book = ReadinessBook()
    assert book.take(message(*changes), SENT_MS) == "ignored"
    assert not book.warnings


def test_an_exercise_never_answers_for_what_is_actual() -> None:
    book = ReadinessBook()
    book.take(message(("Actual", "Exercise")), SENT_MS)
    assert names(book) == []
    assert [item.identifier for item in book.in_force(SENT_MS, status="Exercise")] == [ID]


def test_a_warning_without_an_end_is_believed_for_a_day() -> None:
    [item] = readiness_of(message(("<expires>2026-08-27T16:09:13+08:00</expires>", "")))
    assert item.until_ms == SENT_MS + DEFAULT_VALID_MS


def test_what_is_over_leaves_the_book() -> None:
    """At the next message; one that is over when it comes is not taken."""
    book = ReadinessBook()
    book.take(named("a"), SENT_MS)
    late = SENT_MS + 24 * HOUR_MS
    assert names(book, late) == []
    assert book.take(named("b"), late) == "ended"
    assert (book.warnings, book.counts.expired) == ({}, 1)
    assert book.take(named("b"), late) == "superseded"


def test_the_gravest_comes_first_then_the_order_of_coming() -> None:
    book = ReadinessBook()
    for name, colour in (("a", "蓝"), ("b", "红"), ("c", "蓝"), ("d", "黄")):
        book.take(named(name, **{"橙色预警[II级/严重]": f"{colour}色预警"}), SENT_MS)
    assert names(book) == ["b", "d", "a", "c"]


def test_the_book_is_bounded_and_says_what_it_forgot() -> None:
    """Too many at a time: what ends first goes."""
    book = ReadinessBook(most_warnings=3)
    for at in range(6):
        ends = f"2026-08-27T{20 - at}:09:13+08:00"
        book.take(named(f"n{at}", **{"2026-08-27T16:09:13+08:00": ends}), SENT_MS)
    assert names(book) == ["n0", "n1", "n2"]
    assert (book.counts.taken, book.counts.forgotten) == (6, 3)


def test_borders_are_bounded_too() -> None:
    book = ReadinessBook()
    for at in range(32):
        border = " ".join(["36.6,116.9"] + ["36.6,117.1", "36.7,117.1"] * 9_000 + ["36.6,116.9"])
        old = "36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9"
        book.take(named(f"n{at:02d}", **{old: border}), SENT_MS)
    assert len(book.warnings) == MOST_BYTES // next(iter(book.warnings.values())).size == 24
    assert book.counts.forgotten == 8


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.sampled_from(["Alert", "Update", "Cancel"]),
        st.lists(st.sampled_from("abcde"), min_size=1, max_size=2),
        st.integers(0, 30),
    ),
    max_size=12,
)


@given(steps=STEPS)
def test_the_book_goes_to_bytes_and_back_between_any_two_messages(steps: list[tuple[str, str, list[str], int]]) -> None:
    """And every message ends in one counter."""
    one, other = ReadinessBook(most_warnings=3), ReadinessBook(most_warnings=3)
    log_ms = SENT_MS
    for name, kind, refers, hours in steps:
        log_ms += hours * HOUR_MS
        alert = named(name, kind, *(refers if kind != "Alert" else []))
        other = ReadinessBook.from_bytes(other.to_bytes())
        assert one.take(alert, log_ms) == other.take(alert, log_ms)
        assert one.to_bytes() == other.to_bytes()
        assert one.in_force(log_ms) == other.in_force(log_ms)
    counts = one.counts
    assert counts.taken + counts.repeated + counts.superseded + counts.ended + counts.ignored == len(steps)
    left = counts.replaced + counts.cancelled + counts.expired + counts.forgotten
    assert counts.taken == len(one.warnings) + left


def test_bytes_that_are_no_book_are_refused() -> None:
    with pytest.raises(StateError, match="readiness: wanted a book of warnings"):
        ReadinessBook.from_bytes(b"\xff\x00")


def test_chinese_texts_speak_for_all_languages(shared: Path) -> None:
    """One value for each block in Chinese; of others those in the first language."""
    both = alert_of(revision(level="III"), TYPES["crash"], ISSUER, OFFSETS)
    [item] = readiness_of(both)
    assert (item.event, item.level, item.area_codes) == ("交通事故", "III", ("370102001000", "north"))
    canada = read_alert((shared / "data/cap/canada.cap").read_bytes())
    [item] = readiness_of(canada)
    assert (item.event, len(item.polygons), item.level, item.area_codes) == ("thunderstorm", 2, "IV", ())
    assert readiness_of(read_alert((shared / "data/cap/no_optional_fields.cap").read_bytes())) == ()


def test_our_own_alerts_are_understood_from_first_to_last() -> None:
    """What one city announces another one can be ready for: Alert, Update, Cancel."""
    outbox, book, held = Outbox(), ReadinessBook(), []
    life = {"level": "III"}, {"level": "II"}, {"state": "ended"}, {"level": "I"}, {"state": "withdrawn"}
    for count, said in enumerate(life, 1):
        incident = revision(count, **said)
        alert = outbox.alert(incident, TYPES["crash"], ISSUER, OFFSETS)
        assert alert is not None
        book.take(read_alert(write_alert(alert)), incident.updated_ms)
        held.append([item.level for item in book.in_force(incident.updated_ms)])
    assert held == [["III"], ["II"], [], ["I"], []]
    assert (book.counts.replaced, book.counts.cancelled) == (2, 1)
