"""Explanations: weights by source add up to the incident's, and the way of the belief is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.explanation import account_of, contributions
from city_brain.incidents.incident import Evidence
from tests.feeds.builders import START_MS, TYPES, a_log, an_incident, evidence

PIECES = st.builds(
    evidence,
    what=st.sampled_from(["bang_fits", "stopped_in_lane", "moved_on"]),
    sources=st.sets(st.sampled_from(["cam-1", "cam-2", "mic-1"]), min_size=1).map(lambda names: tuple(sorted(names))),
    weight=st.integers(-40, 40).map(lambda tenths: tenths / 10),
)


@given(st.lists(PIECES, max_size=8))
def test_shares_add_up(pieces: list[Evidence]) -> None:
    """What the sources contribute is what the evidence weighs, for and against, and the heaviest comes first."""
    shares = contributions(an_incident(evidence=tuple(pieces)))
    total = sum(share.support + share.contradiction for share in shares)
    assert total == pytest.approx(sum(piece.weight for piece in pieces))
    assert all(share.support >= 0 >= share.contradiction for share in shares)
    weights = [share.support - share.contradiction for share in shares]
    assert weights == sorted(weights, reverse=True)


def test_an_incident_is_explained() -> None:
    """By source: what it saw, when, how near; and by revision: how the belief moved."""
    first = evidence("stopped_in_lane", ("cam-1",), 2.0, distance_m=4.0)
    later = evidence("bang_fits", ("cam-1", "mic-1"), 3.0, last_ms=START_MS + 9_000, distance_m=2.0)
    against = evidence("moved_on", ("cam-2",), -1.0)
    log = a_log(
        [an_incident("a", 1, state="suspected", evidence=(first,)), an_incident("b")],
        [an_incident("a", 2, evidence=(first, later, against))],
    )
    account = account_of(log, "a", TYPES)
    assert account.judgement.evidence_log_odds == 4.0
    assert (account.judgement.supporting, account.judgement.contradicting) == ((later, first), (against,))
    assert [(change.number, change.incident.state) for change in account.revisions] == [
        (1, "suspected"),
        (3, "active"),
    ]
    camera, microphone, other = account.contributions
    assert (camera.source_id, camera.support, camera.what) == ("cam-1", 3.5, ("bang_fits", "stopped_in_lane"))
    assert (camera.first_ms, camera.last_ms, camera.distance_m) == (START_MS, START_MS + 9_000, 2.0)
    assert (microphone.source_id, microphone.support) == ("mic-1", 1.5)
    assert (other.source_id, other.contradiction, other.distance_m) == ("cam-2", -1.0, None)
