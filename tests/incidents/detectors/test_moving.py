"""Detectors of moving things on a small stage: what each must find, and what must not fool it."""

from collections.abc import Callable, Sequence

import pytest

from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Mode, ObjectClass
from tests.fusion.stage import Actor, Path, Place, lamp_row, play, straight


def strongest(
    kind: str,
    seconds: int,
    actors: Sequence[Actor],
    lamps: Callable[[int], Rows | None] = lambda s: None,
    pockets: bool = True,
    view_from_m: float = -150.0,
) -> float:
    """The highest log-odds that findings of a type reach."""
    played = play(seconds, actors, lamps, (kind,), pockets, view_from_m)
    found: list[Finding] = [f for _, findings in played for f in findings]
    return max((finding.log_odds for finding in found), default=-99.0)


def opens(kind: str) -> float:
    """The log-odds from which the type is announced."""
    return load_incident_types(only=(kind,))[kind].open_log_odds


def alternating(second: int) -> Rows | None:
    """A signal that gives north-south and east-west 30 s each, speaking every 5 s."""
    return lamp_row(second, (0, 4) if second % 60 < 30 else (2, 6)) if second % 5 == 0 else None


def test_a_car_that_drives_against_its_lane_is_found() -> None:
    against = straight((20.0, 6.4), (8.0, 0.0))
    assert strongest("wrong_way", 16, [Actor(against)]) > opens("wrong_way")


def test_cameras_that_say_how_badly_they_see_are_heeded() -> None:
    """An error that is usual changes nothing; one of a whole lane makes a lane of its own as likely."""
    against = straight((20.0, 6.4), (8.0, 0.0))
    usual, bad = (strongest("wrong_way", 16, [Actor(against, error_m=error)]) for error in (1.0, 4.0))
    assert usual == strongest("wrong_way", 16, [Actor(against)]) > opens("wrong_way") > bad


@pytest.mark.parametrize("y", [4.8, 1.6, -4.8])
def test_a_car_that_keeps_its_direction_is_not(y: float) -> None:
    speed = -8.0 if y > 0 else 8.0
    start = 149.0 if y > 0 else 20.0
    assert strongest("wrong_way", 16, [Actor(straight((start, y), (speed, 0.0)))]) < opens("wrong_way")


def test_a_car_a_little_over_the_middle_line_is_not_a_wrong_way_driver() -> None:
    assert strongest("wrong_way", 16, [Actor(straight((149.0, -1.2), (-8.0, 0.0)), seen_by=("east",))]) < opens(
        "wrong_way"
    )


def test_a_person_who_stands_in_a_lane_is_found() -> None:
    standing = straight((80.0, 4.8), (0.1, 0.0))
    assert strongest("pedestrian_on_carriageway", 30, [Actor(standing, ObjectClass.PERSON)]) > opens(
        "pedestrian_on_carriageway"
    )


@pytest.mark.parametrize(("offset", "confidence"), [(2.6, 0.85), (0.0, 0.45)])
def test_a_person_at_the_kerb_or_a_ghost_is_not(offset: float, confidence: float) -> None:
    path = straight((80.0, 4.8 + offset), (0.1, 0.0))
    person = Actor(path, ObjectClass.PERSON, confidence=confidence, seen_by=("east",))
    assert strongest("pedestrian_on_carriageway", 40, [person]) < opens("pedestrian_on_carriageway")


@pytest.mark.parametrize(("y", "found"), [(6.0, False), (3.6, True), (2.8, True)])
def test_only_towards_the_kerb_a_person_in_a_lane_may_be_on_the_pavement(y: float, found: bool) -> None:
    """All are 1.2 m off the middle of a lane: of the kerb lane to either side, and of the one beside it."""
    person = Actor(straight((80.0, y), (0.1, 0.0)), ObjectClass.PERSON)
    log_odds = strongest("pedestrian_on_carriageway", 30, [person])
    assert (log_odds > opens("pedestrian_on_carriageway")) is found


def test_a_few_looks_are_not_enough_however_deep_inside_a_person_seems_to_be() -> None:
    """A camera may be off by a lane for a moment."""
    brief = Actor(lambda s: (80.0, 1.6) if 5 <= s < 8 else None, ObjectClass.PERSON)
    assert strongest("pedestrian_on_carriageway", 20, [brief]) < opens("pedestrian_on_carriageway")


def westbound(start_s: int) -> Path:
    """A way through the junction from the east at 10 m/s, over the stop line 9 s after its start."""
    return straight((100.0, 4.8), (-10.0, 0.0), start_s, start_s + 20)


def test_two_cars_on_red_within_a_minute_are_red_light_running() -> None:
    actors = [Actor(westbound(s), track=s) for s in (65, 72)]
    assert strongest("red_light_running", 110, actors, alternating) > opens("red_light_running")


@pytest.mark.parametrize("starts", [(65,), (25, 32), (19, 20)])
def test_one_on_red_or_two_on_green_or_two_at_the_change_are_not(starts: tuple[int, ...]) -> None:
    actors = [Actor(westbound(s), track=s) for s in starts]
    assert strongest("red_light_running", 110, actors, alternating) < opens("red_light_running")


def into(start_s: int, last_s: int) -> Path:
    """The same way, lost from sight `last_s` after its start: 11 is in the middle of the junction, before its exit."""
    whole = westbound(start_s)
    return lambda second: whole(second) if second <= start_s + last_s else None


def test_cars_whose_way_out_no_camera_sees_count_where_every_lamp_of_their_road_is_red() -> None:
    actors = [Actor(into(s, 11), track=s) for s in (65, 72)]
    assert strongest("red_light_running", 110, actors, alternating) > opens("red_light_running")
    on_green = [Actor(into(s, 11), track=s) for s in (25, 32)]
    assert strongest("red_light_running", 110, on_green, alternating) < opens("red_light_running")


def halting(start_s: int) -> Path:
    """The same way until 5 m beyond the line, and no farther."""
    whole = westbound(start_s)

    def path(second: int) -> Place:
        here = whole(min(second, start_s + 20))
        return None if here is None else (max(here[0], 5.0), here[1])

    return path


def test_cars_that_come_to_stand_just_beyond_the_line_have_not_run_it() -> None:
    actors = [Actor(halting(s), track=s) for s in (65, 72)]
    assert strongest("red_light_running", 110, actors, alternating) < opens("red_light_running")


def test_lamps_that_stay_red_all_round_are_a_fault() -> None:
    def lamps(second: int) -> Rows | None:
        return lamp_row(second, (), all_red=True) if second > 100 and second % 5 == 0 else alternating(second)

    assert strongest("signal_fault", 125, [], lamps) > opens("signal_fault")


def test_a_controller_that_says_it_is_dark_is_a_fault() -> None:
    def lamps(second: int) -> Rows | None:
        return lamp_row(second, (), Mode.DARK) if second > 100 and second % 5 == 0 else alternating(second)

    assert strongest("signal_fault", 125, [], lamps) > opens("signal_fault")


def test_lamps_held_by_hand_are_no_fault_even_after_the_hand_lets_go() -> None:
    def lamps(second: int) -> Rows | None:
        if 700 < second < 900:
            return lamp_row(second, (0, 4), Mode.MANUAL) if second % 5 == 0 else None
        return alternating(second)

    assert strongest("signal_fault", 930, [], lamps) < opens("signal_fault")


def test_a_silence_is_no_phase_and_lamps_that_hang_after_it_are_known() -> None:
    """Two minutes unheard are not the longest that its lamps ever stayed as they were."""

    def lamps(second: int) -> Rows | None:
        if second >= 700:
            return lamp_row(second, (0, 4)) if second % 5 == 0 else None
        return None if 300 < second < 420 else alternating(second)

    assert strongest("signal_fault", 770, [], lamps) > opens("signal_fault")


@pytest.mark.parametrize(("obeys", "fault"), [(False, True), (True, False)])
def test_a_silent_controller_is_dark_only_if_drivers_pass_on_its_red(obeys: bool, fault: bool) -> None:
    def lamps(second: int) -> Rows | None:
        return alternating(second) if second <= 300 else None

    red_starts = [s for s in range(320, 400, 3) if 4 <= (s + 9) % 60 <= 24]
    green_starts = [s for s in range(320, 400, 3) if 34 <= (s + 9) % 60 <= 54]
    actors = [Actor(westbound(s), track=s) for s in (green_starts if obeys else red_starts)]
    southbound = [
        Actor(straight((-4.8, 100.0), (0.0, -10.0), s, s + 20), track=500 + s)
        for s in (red_starts if obeys else green_starts)
    ]
    assert (strongest("signal_fault", 430, [*actors, *southbound], lamps) > opens("signal_fault")) is fault


def test_a_lull_in_traffic_says_nothing_of_a_dark_signal() -> None:
    """Two minutes after the last vehicle it is as dark as before; lit again, it is when enough of them obey, or at once
    when it speaks.
    """

    def on_red(first: int, last: int) -> list[Actor]:
        starts = [s for s in range(first, last, 3) if 4 <= (s + 9) % 60 <= 24]
        southbound = [s for s in range(first, last, 3) if 34 <= (s + 9) % 60 <= 54]
        return [
            *(Actor(westbound(s), track=s) for s in starts),
            *(Actor(straight((-4.8, 100.0), (0.0, -10.0), s, s + 20), track=500 + s) for s in southbound),
        ]

    def lamps(spoke_again_s: int) -> Callable[[int], Rows | None]:
        return lambda second: alternating(second) if second <= 300 or second >= spoke_again_s else None

    def at_the_end(actors: Sequence[Actor], lit: Callable[[int], Rows | None]) -> float:
        *_, (_, findings) = play(540, actors, lit, ("signal_fault",))
        return max((finding.log_odds for finding in findings), default=-99.0)

    dark = on_red(320, 400)
    obeying = [Actor(westbound(s), track=s) for s in range(440, 530) if 34 <= (s + 9) % 60 <= 54]
    assert at_the_end(dark, lamps(999)) > opens("signal_fault")
    assert at_the_end([*dark, *obeying], lamps(999)) < 0.0
    assert at_the_end(dark, lamps(520)) == -99.0


def handed_over(path: Path, at_s: int, track: int) -> list[Actor]:
    """A vehicle that the eastern camera loses at a second, and the western one finds."""
    return [
        Actor(lambda s: path(s) if s < at_s else None, track=track, seen_by=("east",)),
        Actor(lambda s: path(s) if s >= at_s else None, track=track, seen_by=("west",)),
    ]


@pytest.mark.parametrize(("obeys", "fault"), [(False, True), (True, False)])
def test_crossings_that_were_handed_over_speak_against_a_silent_controller(obeys: bool, fault: bool) -> None:
    """At many junctions no camera sees both sides of the line."""

    def lamps(second: int) -> Rows | None:
        return alternating(second) if second <= 300 else None

    red_starts = [s for s in range(320, 400, 3) if 4 <= (s + 9) % 60 <= 24]
    green_starts = [s for s in range(320, 400, 3) if 34 <= (s + 9) % 60 <= 54]
    actors = [one for s in (green_starts if obeys else red_starts) for one in handed_over(westbound(s), s + 9, s)]
    for s in red_starts if obeys else green_starts:
        actors += handed_over(straight((-4.8, 100.0), (0.0, -10.0), s, s + 20), s + 9, 500 + s)
    assert (strongest("signal_fault", 430, actors, lamps) > opens("signal_fault")) is fault


TRAFFIC = [Actor(westbound(s), track=900 + s) for s in range(0, 30, 3)]
"""Enough, in the first minute, for what cameras are always off to be known."""


def stands_in_lane(second: int) -> Place:
    """A person in the middle of a lane, 80 m east of the junction, from the second minute on."""
    return (80.0 + 0.1 * (second - 60), 4.8) if second >= 60 else None


def test_a_nearer_camera_that_misses_a_person_says_more_than_a_farther_one() -> None:
    """The camera in the east is nearer by 120 m; both have the lane in view."""
    near, far = (
        strongest(
            "pedestrian_on_carriageway", 72, [*TRAFFIC, Actor(stands_in_lane, ObjectClass.PERSON, seen_by=(sees,))]
        )
        for sees in ("east", "west")
    )
    assert far < opens("pedestrian_on_carriageway") < near


def test_what_a_camera_may_always_be_off_is_no_less_for_many_looks() -> None:
    """Until traffic has shown what a camera is off, a person must be in the lane for far longer."""
    person = Actor(stands_in_lane, ObjectClass.PERSON, seen_by=("east",))
    known, soon, late = (
        strongest("pedestrian_on_carriageway", seconds, [*traffic, person])
        for seconds, traffic in ((72, TRAFFIC), (72, ()), (120, ()))
    )
    assert soon < opens("pedestrian_on_carriageway") < min(known, late)


def test_a_person_seen_now_and_then_is_found_in_as_much_time() -> None:
    """Looks three seconds apart share less of their error than looks one second apart, and count for more."""

    def now_and_then(second: int) -> Place:
        return stands_in_lane(second) if second % 3 == 0 else None

    rarely = strongest("pedestrian_on_carriageway", 91, [*TRAFFIC, Actor(now_and_then, ObjectClass.PERSON)])
    assert rarely > opens("pedestrian_on_carriageway")
