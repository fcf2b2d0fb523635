"""Independent sources add up, the same sources count once, and nothing depends on the order."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.incidents.desk.evidence import confidence, logistic, merge_same_key, weigh
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import Calibration
from city_brain.numerics import hash63
from tests.incidents.kit import CAMERAS, evidence, finding

PRIOR = -1.0
PIECES = st.lists(
    st.builds(
        lambda what, cameras, weight: evidence(what, weight=weight, sources=tuple(sorted(map(hash63, cameras)))),
        st.sampled_from("uvw"),
        st.lists(st.sampled_from(CAMERAS), min_size=1, max_size=2, unique=True),
        st.floats(-3, 3).map(lambda weight: round(weight, 2)),
    ),
    max_size=4,
    unique_by=lambda item: (item.what, item.sources),
)
SAME_KEY = st.lists(PIECES, min_size=1, max_size=4).map(
    lambda lists: [
        finding("crash", log_odds=PRIOR + math.fsum(item.weight for item in pieces), evidence=tuple(pieces))
        for pieces in lists
    ]
)


def of(*weights: tuple[str, float], key: str = "k") -> Finding:
    """A finding with one piece of evidence for each (camera, weight)."""
    pieces = tuple(evidence(camera=camera, weight=weight) for camera, weight in weights)
    return finding("crash", key, log_odds=PRIOR + sum(weight for _, weight in weights), evidence=pieces)


@given(st.floats(-700, 700))
def test_the_logistic_is_monotone_and_symmetric(log_odds: float) -> None:
    assert 0.0 <= logistic(log_odds) <= 1.0
    assert logistic(log_odds) == pytest.approx(1.0 - logistic(-log_odds), abs=1e-12)


def test_confidence_is_calibrated_and_never_certain() -> None:
    assert confidence(0.0, Calibration()) == 0.5
    assert confidence(2.0, Calibration(slope=0.5, shift=-1.0)) == 0.5
    assert (confidence(99.0, Calibration()), confidence(-99.0, Calibration())) == (0.999, 0.001)


def test_what_other_sources_say_is_added() -> None:
    assert weigh([of(("cam-1", 2.0)), of(("cam-2", 1.5))], "sum").log_odds == PRIOR + 3.5


def test_the_same_source_counts_once_with_the_more_it_says() -> None:
    strong, weak = of(("cam-1", 1.0), ("cam-2", 2.5)), of(("cam-1", 2.0))
    assert weigh([weak, strong], "sum").log_odds == pytest.approx(PRIOR + 2.0 + 2.5)


def test_overlapping_sources_add_nothing_new() -> None:
    pair = finding(
        "crash", log_odds=0.5, evidence=(evidence(weight=1.5, sources=tuple(sorted(map(hash63, CAMERAS[:2])))),)
    )
    assert weigh([of(("cam-1", 2.0)), pair], "sum").log_odds == PRIOR + 2.0


def test_a_contradiction_of_another_source_lowers() -> None:
    assert weigh([of(("cam-1", 3.0)), of(("cam-2", -1.0))], "sum").log_odds == PRIOR + 2.0


def test_rival_readings_count_by_the_strongest_alone() -> None:
    weighed = weigh([of(("cam-1", 2.0), key="a"), of(("cam-2", 3.0), key="b")], "strongest")
    assert weighed.log_odds == PRIOR + 3.0
    assert [(counted.finding.key, counted.weight) for counted in weighed.evidence] == [("b", 3.0), ("a", 0.0)]


@given(SAME_KEY, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_show(findings: list[Finding], chance: object) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    ordered = sorted(findings, key=repr)
    again = sorted(shuffled, key=repr)
    assert merge_same_key(ordered) == merge_same_key(again)
    assert weigh(ordered, "sum").log_odds == weigh(again, "sum").log_odds


@given(SAME_KEY)
def test_the_total_is_the_prior_and_what_counts(findings: list[Finding]) -> None:
    weighed = weigh(findings, "sum")
    assert weighed.log_odds == pytest.approx(PRIOR + sum(counted.weight for counted in weighed.evidence), abs=1e-9)
    merged = merge_same_key(findings)
    assert merged.log_odds == weighed.log_odds
    assert merged.log_odds >= max(finding.log_odds for finding in findings) - 3.0 * 4 * len(findings)
    assert merged.log_odds == pytest.approx(PRIOR + sum(item.weight for item in merged.evidence), abs=1e-9)


@given(SAME_KEY)
def test_hearing_the_same_again_changes_nothing(findings: list[Finding]) -> None:
    assert weigh([*findings, findings[0]], "sum").log_odds == pytest.approx(weigh(findings, "sum").log_odds, abs=1e-9)
