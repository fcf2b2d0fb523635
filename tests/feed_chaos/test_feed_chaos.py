"""A feed keeps seven promises under torment, and what breaks one of them is seen."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from city_brain.feeds.filters import Wanted
from tests.feed_chaos.__main__ import caught
from tests.feed_chaos.bugs import PLANT
from tests.feed_chaos.campaign import Campaign, Plan
from tests.feed_chaos.checker import Judge, Truth, digest_of
from tests.feed_chaos.ledger import Ledger, Record, read
from tests.feed_chaos.server import ServerPlan
from tests.feed_chaos.story import Bookmark, Story, Telling

CHANGES = 100_000
TRUTH = Truth([incident for _, said in Story(3, 200).ticks() for incident in said])
WANTED = Wanted(types=("crash",), states=("active",))


def _told(wanted: Wanted = WANTED) -> list[Record]:
    """What a feed without a fault tells a reader from the beginning."""
    records = [Record("start"), Record("snapshot", 0, "t0")]
    for number, incident, dropped in TRUTH.told(wanted):
        said = digest_of(incident)
        records.append(
            Record("change", number, f"t{number}", {}, incident.incident_id, incident.revision, dropped, said)
        )
        if number % 3 == 0:
            records.append(Record("life", number, f"t{number}"))
    return [*records, Record("life", len(TRUTH.changes), "end")]


def _found(records: list[Record], wanted: Wanted = WANTED) -> list[str]:
    judge = Judge("reader", wanted, TRUTH)
    return [violation.of for violation in [*judge.violations(iter(records)), *judge.ended()]]


def _changes(records: list[Record]) -> Iterator[int]:
    return (at for at, record in enumerate(records) if record.kind == "change")


def test_a_story_goes_on_from_a_bookmark_as_if_it_had_never_stopped() -> None:
    """Also from one that was written to a file."""
    story = Story(5, 2_000)
    telling = Telling(story)
    before = [telling.next_tick() for _ in range(30)]
    mark = msgspec.msgpack.decode(msgspec.msgpack.encode(telling.bookmark()), type=Bookmark)
    assert [*before, *story.ticks(mark)] == list(story.ticks())


def test_a_faultless_feed_is_found_faultless() -> None:
    """From the beginning, from a snapshot in the middle, and after breaks."""
    records = _told()
    assert _found(records) == []
    at = list(_changes(records))[4]
    assert _found([*records[:at], Record("broken", said="UNAVAILABLE: cut"), Record("start"), *records[at:]]) == []


def test_each_promise_that_is_broken_is_found() -> None:
    """One fault in one record, and the judge names the promise."""
    records = _told()
    fourth, fifth, sixth = list(_changes(records))[3:6]
    swapped = [*records]
    swapped[fifth], swapped[sixth] = swapped[sixth], swapped[fifth]
    unasked = next(at for at in range(1, 200) if all(record.number != at for record in records))
    other = Record("change", unasked, "t", {}, "i", 1, False, "x")
    place = next(at for at, record in enumerate(records) if record.number > unasked)
    torn = msgspec.structs.replace(records[fourth], said="0" * 16)
    left = next(at for at in _changes(records) if records[at].dropped)
    early = Record("life", records[fifth].number, "t")
    snapshot = Record("snapshot", records[fifth].number, "t", {})
    cases: list[tuple[str, list[Record]]] = [
        ("reliable", records[:fourth] + records[fourth + 1 :]),
        ("unique", [*records[: fourth + 1], records[fourth], *records[fourth + 1 :]]),
        ("ordered", swapped),
        ("filter", [*records[:place], other, *records[place:]]),
        ("filter", [*records[:left], msgspec.structs.replace(records[left], dropped=False), *records[left + 1 :]]),
        ("atomic", [*records[:fourth], torn, *records[fourth + 1 :]]),
        ("bookmarkable", [*records[:fifth], early, *records[fifth:]]),
        ("resumable", [*records[: fifth + 1], snapshot, *records[fifth + 1 :]]),
        ("reliable", records[:sixth]),
    ]
    for promise, broken in cases:
        assert promise in _found(broken), promise


def test_a_record_that_was_cut_off_is_none(tmp_path: Path) -> None:
    """Its token was not kept, so its work comes again; what follows stands behind the last whole one."""
    path = tmp_path / "reader.ledger"
    ledger = Ledger(path)
    for number in (1, 2, 3):
        ledger.write(Record("life", number, f"t{number}"))
    ledger.close()
    path.write_bytes(path.read_bytes()[:-5])
    again = Ledger(path)
    assert again.token.endswith("2")
    again.write(Record("life", 4, "t4"))
    again.close()
    assert [record.number for record in read(path)] == [1, 2, 4]


@pytest.mark.slow
def test_a_feed_under_torment_keeps_its_promises(tmp_path: Path) -> None:
    """Kills of server and subscribers, resets, cuts, stalls and compaction, over a hundred thousand changes."""
    server = ServerPlan(f"sqlite:///{tmp_path / 'feed.sqlite'}", 1, CHANGES)
    report = Campaign(Plan(server, seed=1, fault_every_s=(1.0, 3.0)), tmp_path).run()
    assert not report.complaints
    assert not report.violations
    assert report.resumes >= 50
    assert report.faults["server deaths"] >= 3
    assert report.faults["kill subscribers"] >= 2


@pytest.mark.slow
def test_a_feed_on_postgresql_keeps_its_promises(tmp_path: Path, postgres_url: str) -> None:
    """The same torment, a tenth as long."""
    report = Campaign(Plan(ServerPlan(postgres_url, 2, CHANGES // 10), seed=2), tmp_path).run()
    assert not report.complaints
    assert not report.violations
    assert report.resumes >= 20


@pytest.mark.campaign
@pytest.mark.parametrize("bug", PLANT)
def test_a_bug_that_is_planted_is_seen(bug: str) -> None:
    """In the ledgers of the subscribers, which know nothing of it."""
    assert caught(bug, 1)
