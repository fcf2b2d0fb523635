"""Signals kept in order of time, and vehicles that pass their stop lines."""

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

from city_brain.fusion.scene import Ground
from city_brain.fusion.signals import UNKNOWN, SignalBook
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import MOVEMENTS, SIDES, Colour, Mode
from city_brain.ticks.tick import Tick
from tests.fusion.stage import START_MS, Actor, ground, lamp_row, play, straight

NORTH, EAST = (3 * SIDES.index(side) + MOVEMENTS.index("through") for side in ("N", "E"))


def heard(*rows: Rows) -> SignalBook:
    """A signal book after messages that came in this order, one tick each."""
    book = SignalBook.empty(ground())
    for row in rows:
        moment = row.event_ms
        book.step(Tick(0, 0, 0, 0, row, moment, np.zeros(1, dtype=np.bool_)), ground())
    return book


def colour_at(book: SignalBook, slot: int, second: float) -> int:
    """What the book says of a lamp."""
    moment = np.array([START_MS + int(1000 * second)])
    return int(book.colour(np.array([0]), np.array([slot]), moment)[0])


def test_a_late_message_is_put_where_its_time_belongs() -> None:
    book = heard(lamp_row(0, (0, 4)), lamp_row(10, (2, 6)), lamp_row(5, (2, 6)))
    assert colour_at(book, EAST, 7) == Colour.GREEN
    assert colour_at(book, NORTH, 7) == Colour.RED


def test_what_a_signal_said_can_be_found_in_the_log() -> None:
    """From the message that held at a moment on; a late one is where its time belongs."""
    rows = [replace(lamp_row(second, (0, 4)), offset=np.array([at])) for at, second in enumerate((0, 10, 5, 15))]
    book = heard(*rows)
    assert book.positions(0, START_MS + 6_000, START_MS + 12_000) == ((0, 2, 0), (0, 1, 0))
    assert book.positions(0, START_MS + 20_000, START_MS + 20_000) == ((0, 3, 0),)
    assert book.positions(0, START_MS, START_MS + 20_000, most=2) == ((0, 1, 0), (0, 3, 0))
    assert book.positions(0, START_MS - 5_000, START_MS - 1_000) == ()


def test_a_lamp_is_unknown_where_the_messages_around_disagree_or_are_old() -> None:
    book = heard(lamp_row(0, (0, 4)), lamp_row(5, (2, 6)))
    assert colour_at(book, NORTH, 3) == UNKNOWN
    assert colour_at(book, EAST, 6) == Colour.GREEN
    assert colour_at(book, EAST, 13) == UNKNOWN
    assert colour_at(book, EAST, -1) == UNKNOWN


def test_seconds_of_green_are_counted_only_while_messages_come() -> None:
    book = heard(*(lamp_row(s, (0, 4)) for s in (0, 5, 10)))
    since = np.array([START_MS])
    green = book.seconds_of(Colour.GREEN, np.array([0]), np.array([NORTH]), since, START_MS + 60_000)
    assert green[0] == pytest.approx(10 + 6.5, abs=0.2)


def test_a_fixed_time_programme_is_learnt_and_predicted() -> None:
    book = heard(*(lamp_row(s, (0, 4) if s % 40 < 20 else (2, 6)) for s in range(0, 200, 4)))
    cycle = book.learn_cycle(0)
    assert cycle is not None
    assert len(cycle.lamps) == 40
    later = START_MS + 1000 * np.array([400 + 10, 400 + 30])
    assert cycle.colour(np.array([NORTH, NORTH]), later).tolist() == [Colour.GREEN, Colour.RED]


def test_a_lost_message_makes_a_programme_unsure_and_not_late() -> None:
    """The change at second 180 never arrives: the lamps that seem to go on are not predicted of later rounds."""
    book = heard(*(lamp_row(s, (0, 4) if s % 40 < 20 else (2, 6)) for s in range(0, 200, 4) if s != 180))
    cycle = book.learn_cycle(0)
    assert cycle is not None
    later = START_MS + 1000 * np.array([421, 421, 430, 430])
    told = cycle.colour(np.array([NORTH, EAST, NORTH, EAST]), later).tolist()
    assert told == [UNKNOWN, UNKNOWN, Colour.RED, Colour.GREEN]


def test_two_rounds_do_not_pass_for_one_where_a_message_of_the_middle_one_was_lost() -> None:
    """The first and the third round of 60 s agree better than neighbours do."""
    book = heard(*(lamp_row(s, (0, 4) if s % 60 < 28 else (2, 6)) for s in range(0, 196, 4) if s != 88))
    cycle = book.learn_cycle(0)
    assert cycle is not None
    assert len(cycle.lamps) == 60
    later = START_MS + 1000 * np.array([329, 389, 335])
    assert cycle.colour(np.array([EAST, EAST, EAST]), later).tolist() == [UNKNOWN, UNKNOWN, Colour.GREEN]


def test_a_programme_of_many_changes_is_learnt_from_messages_some_hundredths_off() -> None:
    """They come at whole seconds, give or take; samples at whole seconds would fall now before, now behind them."""
    phases = ((0,), (4,), (0, 4), (2,), (6,), (2, 6))
    off = (-90, 70, 20, -40, 90)
    rows = [lamp_row(s, phases[s // 4 % 6]) for s in range(0, 250, 4)]
    book = heard(*(replace(row, event_ms=row.event_ms + off[k % 5]) for k, row in enumerate(rows)))
    cycle = book.learn_cycle(0)
    assert cycle is not None
    assert len(cycle.lamps) == 24
    later = START_MS + 1000 * np.array([480 + 2, 480 + 14])
    assert cycle.colour(np.array([NORTH, NORTH]), later).tolist() == [Colour.GREEN, Colour.RED]


def test_no_programme_is_learnt_from_a_signal_that_never_changes_or_hardly_spoke() -> None:
    assert heard(*(lamp_row(s, (0, 4)) for s in range(0, 200, 4))).learn_cycle(0) is None
    assert heard(lamp_row(0, (0, 4)), lamp_row(5, (2, 6))).learn_cycle(0) is None


def test_a_change_of_mode_begins_a_new_run() -> None:
    manual = [lamp_row(s, (0, 4), Mode.MANUAL) for s in range(0, 60, 5)]
    since, unbroken = heard(*manual, lamp_row(60, (0, 4)), lamp_row(65, (0, 4))).showing_since()
    assert since[0] == START_MS + 60_100
    assert unbroken[0]


def test_a_crossing_is_complete_at_its_exit_with_side_movement_and_time() -> None:
    westward = straight((100.0, 4.8), (-10.0, 0.0))
    crossings = []
    for engine, _ in play(28, [Actor(westward, seen_by=("east",))]):
        done = engine.books.crossings.completed
        crossings += [(int(done["side"][k]), int(done["movement"][k]), int(done["cross_ms"][k])) for k in range(done.n)]
    assert len(crossings) == 1
    side, movement, cross_ms = crossings[0]
    assert (side, movement) == (2, 1)
    assert cross_ms - START_MS == pytest.approx(8_800 + 500, abs=700)


def test_a_vehicle_that_waits_at_the_line_has_not_crossed() -> None:
    waiting = straight((100.0, 4.8), (-10.0, 0.0), 0, 8)
    for engine, _ in play(25, [Actor(lambda s: waiting(min(s, 8)), seen_by=("east",))]):
        assert engine.books.crossings.completed.n == 0


def test_a_crossing_is_told_once_when_it_is_well_beyond_the_line() -> None:
    """Before its exit, with the road it came from and no movement."""
    westward = straight((100.0, 4.8), (-10.0, 0.0))
    told = []
    for second, (engine, _) in enumerate(play(28, [Actor(westward, seen_by=("east",))])):
        entered = engine.books.crossings.entered
        told += [(second, int(entered["side"][k]), int(entered["movement"][k])) for k in range(entered.n)]
        completed = engine.books.crossings.completed.n
        assert not (completed and not told)
    assert [(side, movement) for _, side, movement in told] == [(2, -1)]


@pytest.mark.parametrize(("found_again_s", "crossed"), [(9, True), (10, True), (12, False)])
def test_a_camera_may_hand_a_vehicle_over_to_another_at_the_line(found_again_s: int, crossed: bool) -> None:
    """One loses it before the line, another finds it beyond; later than in two seconds it counts for another one."""
    came = straight((100.0, 4.8), (-10.0, 0.0), last=8)
    went = straight((100.0 - 10.0 * found_again_s, 4.8), (-10.0, 0.0), first=found_again_s)
    done = []
    for engine, _ in play(28, [Actor(came, seen_by=("east",)), Actor(went, seen_by=("west",))]):
        completed = engine.books.crossings.completed
        done += zip(completed["side"].tolist(), completed["movement"].tolist(), completed["cross_ms"], strict=True)
    assert [(side, movement) for side, movement, _ in done] == [(2, 1)] * crossed
    assert all(int(cross_ms) - START_MS == pytest.approx(8_800 + 500, abs=700) for *_, cross_ms in done)


def test_where_the_map_has_junctions_and_no_signals_no_lamp_is_known() -> None:
    """Every lamp is asked of signal -1; none is known, and none was ever green."""
    book = SignalBook.empty(without_signals(ground()))
    nobody, slot, moment = np.array([-1, -1]), np.array([NORTH, EAST]), np.array([START_MS, START_MS])
    assert book.colour(nobody, slot, moment).tolist() == [UNKNOWN, UNKNOWN]
    assert book.seconds_of(Colour.GREEN, nobody, slot, moment, START_MS + 10_000).tolist() == [0.0, 0.0]


def without_signals(known: Ground) -> Ground:
    """The same ground without signals."""
    return dataclasses.replace(known, city=dataclasses.replace(known.city, signals=()))
