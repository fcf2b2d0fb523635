"""A type of a city's own: a quantity beyond a limit, for so long, by one sensor or several."""

from collections.abc import Iterator

import pytest

from city_brain.errors import RuleError
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import IncidentTypes, collect, read_incident_type
from city_brain.observations.vocabulary import Quantity
from tests.incidents.detectors.surroundings import START_MS, Read, play

HEAT = """\
type: heat
version: 1
detector: threshold
parameters:
  quantity: temperature
  side: above
  limit: 45
  lasts_s: 40
  weight: 5.0
  forget_s: 120
  agrees_m: 200
  agrees_weight: 1.5
  prior_log_odds: -2.0
suspect_log_odds: 0.0
open_log_odds: 2.2
close_log_odds: -1.0
hold_s: 0
close_gap_s: 60
join_radius_m: 50
join_gap_s: 300
magnitude: degC
headline: {zh: "{place}高温", en: "Heat at {place}"}
"""


def heat(*changes: tuple[str, str]) -> IncidentTypes:
    """The type above, changed."""
    text = HEAT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return collect({"heat.yaml": read_incident_type(text, "heat.yaml")})


def found(seconds: int, read: dict[Quantity, Read], types: IncidentTypes) -> Iterator[tuple[int, Finding]]:
    """Second and finding, wherever there is one."""
    for second, _, findings in play(seconds, read=read, types=types):
        for finding in findings:
            yield second, finding


def hot(from_s: int, to_s: int = 10_000) -> dict[Quantity, Read]:
    """48 degrees between two seconds, else 17."""
    return {Quantity.TEMPERATURE: lambda s, x, y: 48.0 if from_s <= s < to_s else 17.0}


def test_a_quantity_beyond_its_limit_for_long_enough_is_announced() -> None:
    """Two readings, ten seconds apart, begin it; each further one adds until the limit has been passed for 40 s."""
    told = list(found(300, hot(100), heat()))
    weights = [finding.evidence[0].weight for _, finding in told]
    assert weights == sorted(weights)
    assert (weights[0], weights[-1]) == (1.25, 5.0)
    first = next(second for second, finding in told if finding.log_odds >= 2.2)
    assert 130 <= first <= 155
    last = told[-1][1]
    assert START_MS + 100_000 <= last.first_seen_ms <= START_MS + 110_500
    assert last.evidence[0].note["limit"] == 45.0
    assert last.evidence[0].note["unit"] == "degC"


def test_a_single_reading_beyond_the_limit_says_nothing() -> None:
    assert list(found(300, hot(100, 110), heat())) == []


def test_below_a_limit_is_watched_as_well() -> None:
    assert list(found(200, hot(0), heat(("side: above", "side: below"), ("limit: 45", "limit: 40")))) == []
    cold = [
        second
        for second, _ in found(200, hot(0, 100), heat(("side: above", "side: below"), ("limit: 45", "limit: 40")))
    ]
    assert cold
    assert min(cold) >= 100


def test_a_sensor_that_falls_silent_is_forgotten() -> None:
    read: dict[Quantity, Read] = {Quantity.TEMPERATURE: lambda s, x, y: None if s >= 160 else 48.0}
    seconds = [second for second, _ in found(400, read, heat())]
    assert seconds
    assert 260 <= max(seconds) <= 285


def test_other_sensors_beyond_the_limit_nearby_agree_once_each() -> None:
    """Dust sensors stand 150 m apart: those to the four sides are within 200 m, those across corners are not."""
    changes = ("quantity: temperature", "quantity: pm2_5"), ("magnitude: degC", "magnitude: ug/m3")
    read: dict[Quantity, Read] = {Quantity.PM2_5: lambda s, x, y: 90.0 if s >= 100 else 20.0}
    told = [finding for second, finding in found(200, read, heat(*changes)) if second >= 190]
    agreeing = {sum(item.what == "another_sensor" for item in finding.evidence) for finding in told}
    assert agreeing == {2, 3, 4}
    for finding in told:
        assert finding.log_odds == pytest.approx(-2.0 + sum(item.weight for item in finding.evidence))


def test_a_quantity_that_nothing_measures_is_named_with_the_nearest() -> None:
    with pytest.raises(
        RuleError, match=r"parameters\.quantity: wanted one of .*got 'temprature'; nearest: 'temperature'"
    ):
        heat(("quantity: temperature", "quantity: temprature"))


@pytest.mark.parametrize("name", ["lasts_s", "weight", "agrees_m", "agrees_weight", "forget_s"])
def test_what_cannot_be_negative_is_refused(name: str) -> None:
    old = next(line for line in HEAT.splitlines() if line.strip().startswith(name + ":"))
    with pytest.raises(RuleError, match=rf"parameters\.{name}: wanted float >= 0\.0, got -1"):
        heat((old, f"  {name}: -1"))
