"""One number of a type is changed at a time, and what is said then is what the street would say with that type."""

from dataclasses import replace

import pytest

from city_brain.incidents.incident_type import load_incident_types
from city_brain.synth import SynthCity, SynthSettings, write_world
from tests.benchmarks.altered.worlds import World
from tests.benchmarks.slack.desks import answers
from tests.benchmarks.slack.numbers import changes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small city where something burns."""
    folder = tmp_path_factory.mktemp("world")
    often = SynthSettings(
        seed=3, cameras=8, minutes=4.0, incident_types=("fire",), incidents_per_hour_per_100_cameras=600.0, warm_up_s=30
    )
    write_world(SynthCity(often), folder)
    return World.read(folder)


def test_each_number_is_changed_by_itself() -> None:
    """Down and up, counts by one at least, and nothing else of the types differs."""
    types = load_incident_types()
    found = changes(types, ("fire",))
    assert {(change.name, change.was, change.value) for change in found} >= {
        ("parameters.reach_m", 20.0, 16.0),
        ("parameters.reach_m", 20.0, 25.0),
        ("parameters.both_seconds", 2, 1),
        ("parameters.both_seconds", 2, 3),
        ("open_log_odds", 2.2, 2.75),
    }
    assert {change.type for change in changes(types)} == set(types.order)
    for change in found:
        there = change.of(types)
        assert there["fire"] != types["fire"] and replace(change, value=change.was).of(there)["fire"] == types["fire"]
        assert all(there[name] is types[name] for name in types.order if name != "fire")


def test_what_is_said_is_what_the_street_says_with_that_type(world: World) -> None:
    """Several changes behind one fusion say what each says alone; one that changes nothing says the same."""
    types = load_incident_types()
    found = [
        change
        for change in changes(types, ("fire",))
        if change.name in ("parameters.both_weight", "hold_s", "open_log_odds")
    ]
    as_is, others = answers(world, types, [*found, replace(found[0], value=found[0].was)])
    assert "fire" in {answer.type for answer in as_is} and others[-1] == as_is
    for change, told in zip(found, others, strict=False):
        assert told == answers(world, change.of(types), ())[0], change.name
    assert any(told != as_is for told in others)
