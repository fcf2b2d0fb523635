"""Two answers held against each other: by id, then by type and place, field by field."""

import dataclasses
from typing import Any
from xml.etree import ElementTree

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import load_incident_types
from city_brain.playback.comparing.differing import Field, differences
from city_brain.playback.comparing.junit import junit
from city_brain.playback.comparing.parameters import Parameter, parameters
from tests.feeds.builders import START_MS, an_incident, evidence


def _said(name: str, **fields: Any) -> Incident:
    return an_incident(**{"incident_id": name, "detected_ms": START_MS} | fields)


def test_an_answer_differs_nowhere_from_itself() -> None:
    """Whatever the order in which its incidents stand."""
    said = [_said("a"), _said("b", lon=1.0), _said("c", type="fire")]
    found = differences(said, said[::-1])
    assert (found.same, found.found) == (3, ())


def test_incidents_are_added_removed_changed_and_moved_in_time() -> None:
    """Those of one id are one, then those of one type near by in place and time; all others are alone."""
    left = [_said("a", confidence=0.9), _said("b", type="fire"), _said("gone", lon=3.0), _said("moved", lon=5.0)]
    right = [
        _said("a", confidence=0.8), _said("b", type="fire"), _said("new", lon=4.0),
        _said("again", lon=5.0, detected_ms=START_MS + 12_000),
    ]  # fmt: skip
    found = differences(left, right)
    assert found.same == 1
    told = {(one.what, one.incident_id): one for one in found.found}
    assert sorted(told) == [("added", "new"), ("changed", "a"), ("changed", "moved"), ("removed", "gone")]
    assert told["changed", "a"].fields == (Field(path="confidence", before="0.9", after="0.8"),)
    assert (told["changed", "a"].later_s, told["changed", "moved"].later_s) == (0.0, 12.0)
    assert differences(right, left).of("changed")[-1].later_s == -12.0


def test_fields_are_named_down_to_the_value() -> None:
    """In lists by their place; what one side lacks is said so."""
    one = _said("a", evidence=(evidence("abrupt_stop", ("cam-1",), 2.0),))
    other = _said("a", evidence=(evidence("abrupt_stop", ("cam-1",), 2.5), evidence("bang_fits", ("mic-2",), 1.0)))
    fields = differences([one], [other]).found[0].fields
    assert fields[0] == Field(path="evidence[0].weight", before="2.0", after="2.5")
    assert (fields[1].path, fields[1].before) == ("evidence[1]", "(none)")


def test_fields_may_be_ignored() -> None:
    """By their path without indexes, and with all below them."""
    one = _said("a", evidence=(evidence("abrupt_stop", ("cam-1",), 2.0),))
    other = _said("a", evidence=(evidence("abrupt_stop", ("cam-1",), 2.5),))
    assert differences([one], [other], ["evidence.weight"]).same == 1
    assert differences([one], [other], ["evidence"]).same == 1
    assert differences([one], [other], ["evid"]).same == 0


def test_types_differ_by_parameters() -> None:
    """Each by its path in the file; a type that one side lacks is named."""
    types = load_incident_types()
    fire = types.by_name["fire"]
    warmer = msgspec.structs.replace(fire.parameters, warm_m=90.0)
    by_name = {**types.by_name, "fire": msgspec.structs.replace(fire, parameters=warmer, open_log_odds=3.0)}
    del by_name["crash"]
    found = parameters(types, dataclasses.replace(types, by_name=by_name))
    assert found == [
        Parameter(type="crash", path="type", before="crash", after="(none)"),
        Parameter(type="fire", path="parameters.warm_m", before="80.0", after="90.0"),
        Parameter(type="fire", path="open_log_odds", before="2.2", after="3.0"),
    ]


def test_machines_that_show_tests_are_told() -> None:
    """A case for each incident, a failure for each that differs, and what else is wrong."""
    found = differences([_said("a"), _said("b", type="fire")], [_said("a")])
    root = ElementTree.fromstring(junit({"x <y>": found, "z": differences([], [])}, {"z": "wanted another digest"}))  # noqa: S314
    suites = {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in root}
    assert suites == {"x <y>": ("2", "1"), "z": ("1", "1")}
    assert [failure.get("message") for failure in root.iter("failure")] == ["removed", "wanted another digest"]
