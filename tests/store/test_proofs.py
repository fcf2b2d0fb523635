"""Proofs that a revision is in a feed: true ones hold, forged ones do not, and both ends of a link can compare."""

import msgspec
import pytest

from city_brain.digest import verify_inclusion
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.incidents.incident import incident_line
from city_brain.store.store import Store
from tests.store.filling import FEED_ID, digest, ticks


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 21])
def test_every_revision_is_proven_and_every_forgery_shows(store: Store, count: int) -> None:
    """The path leads from the line to the head that the feed shows; another line, place, size or head breaks it."""
    feed = store.feed("370100")
    for change in feed.append(FEED_ID, list(ticks(count, 1))):
        proof = feed.proof(change.incident.incident_id, change.incident.revision)
        assert (proof.number, proof.size, proof.head.hex()) == (change.number, count, feed.head().digest)
        assert proof.line == incident_line(change.incident)
        assert verify_inclusion(proof.line, proof.number - 1, proof.size, proof.path, proof.head)
        forged = [
            {"line": proof.line.replace(b'"crash"', b'"blaze"')},
            {"number": proof.number + 1},
            {"number": 0},
            {"size": proof.number - 1},
            {"path": (*proof.path, proof.head)},
            {"path": tuple(bytes(32) for _ in proof.path) if proof.path else (bytes(32),)},
            {"head": bytes(32)},
        ]
        assert [msgspec.structs.replace(proof, **one).holds() for one in forged] == [False] * len(forged)


def test_a_proof_outlives_the_lines_before_it(store: Store) -> None:
    """What is still held is proven against all that ever was; what is gone is refused with the reason."""
    feed = store.feed("370100")
    every = feed.append(FEED_ID, list(ticks(40, 1)))
    feed.compact(10_000)
    for held in feed.held():
        assert feed.proof(held.incident.incident_id).holds()
        assert feed.proof(held.incident.incident_id).number == held.number
    first = feed.head().first_number
    held_numbers = {held.number for held in feed.held()}
    for change in every:
        if change.number >= first or change.number in held_numbers:
            assert feed.proof(change.incident.incident_id, change.incident.revision).holds()
        else:
            with pytest.raises(RefusedError) as refused:
                feed.proof(change.incident.incident_id, change.incident.revision)
            assert refused.value.reason is Reason.HISTORY_GONE
    with pytest.raises(RefusedError) as refused:
        feed.proof("nobody")
    assert refused.value.reason is Reason.NO_SUCH_INCIDENT


def test_the_head_of_each_number_is_that_of_the_changes_up_to_it(store: Store) -> None:
    """A link compares both ends at any number, compacted or not."""
    given = list(ticks(25, 1))
    feed = store.feed("370100")
    feed.append(FEED_ID, given)
    feed.compact(3_000)
    assert [feed.head_of(number) for number in range(26)] == [digest(given[:number]) for number in range(26)]
    with pytest.raises(RefusedError, match="wanted a number of 0 to 25, got 26"):
        feed.head_of(26)
