"""Reliability: by-hand cases with known answers, intervals, empty bins, what is left out, and the diagram."""

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.errors import RecordingError
from city_brain.incidents.desk.evidence import confidence
from city_brain.incidents.incident_type import load_incident_types
from city_brain.scoring import read_answers, read_truth
from city_brain.scoring.reliability import (
    ReliabilityReport,
    diagram,
    reliability,
    reliability_table,
    reliability_worlds,
)
from city_brain.scoring.reliability.figures import EDGES, WELL_FILLED, wilson
from tests.benchmarks.confidence.fitting import fitted_shift, judged_by_type
from tests.benchmarks.confidence.worlds import SPLITS
from tests.cli.processes import city_brain

T0 = 1_772_409_600_000
SVG = "{http://www.w3.org/2000/svg}"


def _truth(count: int = 4, **other: Any) -> dict[str, Any]:
    """Fires, a kilometre apart."""
    fires = [
        {
            "incident_id": f"T{k}", "type": "fire", "start": T0, "observable_from": T0, "end": T0 + 600_000,
            "lon": 117.0 + 0.02 * k, "lat": 36.6, "radius_m": 20,
        }
        for k in range(count)
    ]  # fmt: skip
    return {"cameras": 9, "start_ms": T0, "end_ms": T0 + 3_600_000, "incidents": fires} | other


def _said(k: int, *confidences: float | None, **other: Any) -> list[str]:
    """Revisions of an announcement of fire k; from k = 100 on there is no such fire."""
    line = {"incident_id": f"I{k}", "type": "fire", "lon": 117.0 + 0.02 * k, "lat": 36.6, "detected_ms": T0 + 60_000}
    told = [line | {"revision": n + 1, "confidence": value} | other for n, value in enumerate(confidences)]
    return [json.dumps(each) for each in told]


def _report(truth: dict[str, Any], lines: list[str]) -> ReliabilityReport:
    return reliability_worlds([(read_truth(json.dumps(truth).encode()), read_answers(lines))])


def test_the_figures_of_a_case_made_by_hand_are_those_of_the_hand() -> None:
    """Four at .9, of which three real, and one at .6 that is not: distances .15 and .6, weighed 4 to 1."""
    found = reliability([(0.9, True)] * 3 + [(0.9, False), (0.6, False)])
    assert [(each.low, each.count, each.true, each.true_share) for each in found.bins] == [
        (0.6, 1, 0, 0.0), (0.9, 4, 3, 0.75),
    ]  # fmt: skip
    assert (found.count, found.true, found.true_share) == (5, 3, 0.6)
    assert found.mean_confidence == pytest.approx(0.84)
    assert found.expected_calibration_error == pytest.approx((4 * 0.15 + 0.6) / 5)
    assert found.brier == pytest.approx((3 * 0.01 + 0.81 + 0.36) / 5)
    assert found.worst_gap is None, "no bin is filled well enough to be judged"


def test_confidences_that_mean_what_they_say_have_no_error() -> None:
    """Of forty at .75 thirty are real, of twenty at .55 eleven: both distances are 0."""
    pairs = [(0.75, k < 30) for k in range(40)] + [(0.55, k < 11) for k in range(20)]
    found = reliability(pairs)
    assert found.expected_calibration_error == pytest.approx(0)
    assert found.worst_gap == pytest.approx(0)


def test_the_worst_gap_is_that_of_a_well_filled_bin() -> None:
    pairs = [(0.92, k % 2 == 0) for k in range(WELL_FILLED)] + [(0.55, True)] * (WELL_FILLED - 1)
    assert reliability(pairs).worst_gap == pytest.approx(0.42)


@pytest.mark.parametrize(
    ("true", "count", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_the_interval_is_wilsons(true: int, count: int, low: float, high: float) -> None:
    """Values of the formula in Brown, Cai and DasGupta 2001, as any table of it gives them."""
    assert wilson(true, count) == pytest.approx((low, high), abs=5e-5)


def test_bins_cover_everything_once_and_empty_ones_are_left_out() -> None:
    """An edge belongs to the bin above it, and 1 to the last one."""
    edges = sorted({*EDGES, 0.0, 0.999, 0.049})
    found = reliability([(edge, True) for edge in edges])
    assert sum(each.count for each in found.bins) == len(edges)
    assert [each.low for each in found.bins] == list(EDGES[:-1])
    assert (found.bins[-1].count, found.bins[0].count) == (3, 2)
    assert [each.low for each in reliability([(0.31, False)]).bins] == [0.3]


def test_of_nothing_nothing_is_claimed() -> None:
    nothing = _report(_truth(), [])
    assert nothing.announced == reliability([])
    assert (nothing.announced.count, nothing.announced.true_share, nothing.announced.bins) == (0, None, ())
    assert "nothing was announced" in reliability_table(nothing)
    assert "incidents: 0" in diagram(nothing.announced, "empty")


def test_three_moments_are_told_apart() -> None:
    """Announced at .91, at its surest .97, at last .6; suspected lines before the announcement count for nothing."""
    lines = [*_said(0, 0.99, detected_ms=None), *_said(0, 0.91, 0.97, 0.6)]
    found = _report(_truth(), lines)
    means = [each.mean_confidence for each in (found.announced, found.surest, found.last)]
    assert means == pytest.approx([0.91, 0.97, 0.6])
    assert found.types["fire"] == found.announced


def test_the_announcement_under_the_final_type_counts() -> None:
    """A type that changes is another announcement: the first of it is judged."""
    lines = [*_said(0, 0.95, type="crash"), *_said(0, 0.91, 0.93)]
    found = _report(_truth(), lines)
    assert (found.announced.mean_confidence, found.surest.mean_confidence) == (0.91, 0.93)


def test_duplicates_related_types_and_what_does_not_count_are_left_out_and_counted() -> None:
    truth = _truth(3)
    truth["incidents"][2]["ignore"] = True
    lines = [
        *_said(0, 0.9), *_said(0, 0.8, incident_id="again"), *_said(1, 0.9, type="pollution"),
        *_said(2, 0.9), *_said(100, 0.9), *_said(101, None),
    ]  # fmt: skip
    found = _report(truth, lines)
    assert (found.announced.count, found.announced.true) == (2, 1)
    assert (found.duplicates, found.mistyped, found.ignored, found.unknown) == (1, 1, 1, 1)


def test_lost_coverage_is_judged_apart_where_the_truth_knows_of_it() -> None:
    lost = _truth(1)["incidents"][0] | {"type": "coverage_lost"}
    found = _report(_truth(coverage_lost=[lost]), _said(0, 0.9, type="coverage_lost"))
    assert (found.announced.count, found.types["coverage_lost"].true) == (0, 1)


def test_a_confidence_that_is_no_probability_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"I0: wanted confidence 0 to 1, got 91"):
        _report(_truth(), _said(0, 91.0))


def test_the_diagram_is_an_svg_that_shows_each_bin_and_the_same_each_time() -> None:
    """One dot, one interval and one bar for each bin that holds something; hollow where few; words are escaped."""
    found = reliability([(0.92, k % 3 > 0) for k in range(60)] + [(0.4, True)])
    text = diagram(found, "a < b & c")
    root = ET.fromstring(text)  # noqa: S314 - our own
    dots = root.findall(f"{SVG}circle")
    assert [dot.get("class") for dot in dots] == ["dot few", "dot"]
    assert len(root.findall(f"{SVG}rect[@class='bar']")) == len(root.findall(f"{SVG}line[@class='span']")) == 2
    assert root.findtext(f"{SVG}title") == "a < b & c"
    # 360 units wide from 56 on, 360 high from 40 down: .92 and two of three.
    assert (dots[1].get("cx"), dots[1].get("cy")) == ("387.20", "160.00")
    assert diagram(found, "a < b & c") == text


def test_the_command_prints_a_table_or_data_and_draws(tmp_path: Path) -> None:
    """Several worlds are pooled; the diagram goes to a file; options that do not go together are refused."""
    truth, said, out = tmp_path / "truth.json", tmp_path / "incidents.jsonl", tmp_path / "diagram.svg"
    truth.write_text(json.dumps(_truth()))
    said.write_text("\n".join([*_said(0, 0.91), *_said(1, 0.92), *_said(100, 0.93)]))
    files = (truth, said, truth, said)
    done = city_brain("score", "--reliability", *files, "--out", out)
    assert done.code == 0, done.err
    assert "[0.90, 0.95)" in done.out
    assert "95 %" in done.out
    assert ET.fromstring(out.read_text()).tag == f"{SVG}svg"  # noqa: S314 - our own
    told = msgspec.json.decode(city_brain("score", "--reliability", *files, "--json").out, type=ReliabilityReport)
    assert (told.announced.count, told.announced.true) == (6, 4)
    assert city_brain("score", "--pairs", "--reliability", *files).code == 2
    assert city_brain("score", *files, "--out", out).code == 2
    assert city_brain("score", "--reliability", *files, "--out", said).code == 2
    assert city_brain("score", "--reliability", *files, "--out", tmp_path / "no" / "such.svg").code == 2


def test_the_fitted_shift_makes_the_mean_confidence_the_share_with_half_a_doubt() -> None:
    """Twenty at log-odds 2.2, ten of them real: 10.5 of 21 is 0.5, so the shift is -2.2; of none it is bounded."""
    assert fitted_shift([(2.2, k < 10) for k in range(20)]) == pytest.approx(-2.2)
    assert fitted_shift([(2.2, False)] * 19, [(2.2, True)]) == pytest.approx(-2.2), "each kind of world counts as much"
    assert fitted_shift([(0.0, True)] * 9) == pytest.approx(math.log(19))
    assert fitted_shift([(0.0, False)] * 9) == pytest.approx(-math.log(19))


def test_fitting_again_on_what_is_calibrated_gives_the_same_shift() -> None:
    """What was weighed is had back from a published confidence, whatever the type's calibration is now."""
    types = load_incident_types()
    said = [confidence(log_odds, types["fire"].calibration) for log_odds in (2.3, 2.9, 2.5)]
    worlds = [(read_truth(json.dumps(_truth()).encode()), read_answers([*_said(0, said[0]), *_said(100, said[1])]))]
    found = judged_by_type(worlds, types)["fire"]
    assert [is_true for _, is_true in found] == [True, False]
    assert [log_odds for log_odds, _ in found] == pytest.approx([2.3, 2.9], abs=0.03)


def test_nothing_is_fitted_on_the_held_out_cities() -> None:
    assert not set(SPLITS["fit"]) & set(SPLITS["held-out"])
