"""What an instrument cannot have read is not believed, by the range that the map has of it."""

import pytest

from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.admission.describing import faults_of
from city_brain.observations.json_twin import from_lines
from tests.city.city_maps import built, intersection, sensor, square
from tests.observations.lines import dumped, line

WARM = {"kind": "sensor", "quantity": "temperature", "unit": "degF", "period_s": 10}
CITY = built(
    intersection("X", square(0.0, 0.0, 12.0)),
    {**sensor("air-1", 50.0, 100.0), "properties": WARM | {"lowest": -40, "highest": 140}},
    {**sensor("fire-1", 60.0, 100.0), "properties": WARM | {"highest": 1472}},
    {**sensor("any-1", 70.0, 100.0), "properties": WARM},
)
TABLE = AdmissionTable.from_city(CITY)
RANGES = {"air-1": "-40 to 60", "fire-1": "-70 to 800", "any-1": "-70 to 500"}
"""In degrees Celsius; without one of its own, what a temperature may be."""


@pytest.mark.parametrize(
    ("source", "value", "unit", "believed"),
    [
        ("air-1", 139.0, None, True),
        ("air-1", 60.0, "degC", True),
        ("air-1", 420.0, "degC", False),
        ("air-1", -41.0, None, False),
        ("fire-1", 790.0, "degC", True),
        ("fire-1", 1473.0, None, False),
        ("any-1", 420.0, "degC", True),
        ("any-1", 501.0, "degC", False),
    ],
)
def test_what_an_instrument_cannot_read_is_not_believed(
    source: str, value: float, unit: str | None, believed: bool
) -> None:
    """A range is in the unit of its sensor, and narrower or wider than what any reading of the quantity may be."""
    parsed = from_lines(dumped([line("sensor", source, quantity="temperature", value=value, unit=unit)]))
    rows, refused = admit(parsed.observations, 0, parsed.line, TABLE)
    assert (rows.n, refused.counts()) == ((1, {}) if believed else (0, {"value": 1}))
    told = [fault.wanted for fault in faults_of(parsed.observations, refused, parsed.line, TABLE, 1)]
    assert told == ([] if believed else [f"what is {RANGES[source]} degC"])


def test_a_range_of_one_quantity_says_nothing_of_another() -> None:
    """A device of several instruments stands on the map with one of them."""
    parsed = from_lines(dumped([line("sensor", "air-1", quantity="humidity", value=95.0, unit="%")]))
    rows, _ = admit(parsed.observations, 0, parsed.line, TABLE)
    assert rows.n == 1
