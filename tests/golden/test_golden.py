"""Golden logs: what the street said of a recording when it was last blessed, byte for byte."""

from pathlib import Path

from city_brain.incidents.incident import read_incident
from city_brain.replay.stream import StreamReader
from city_brain.site import Site, SiteSettings
from city_brain.sources.recording import read_blocks

STREET = Path(__file__).parent / "street"


def test_the_street_still_says_what_was_blessed() -> None:
    runner = Site.of_map(STREET / "city.geojson", None, SiteSettings(city="street")).runner()
    ticks = StreamReader(runner).read(read_blocks(STREET / "observations.jsonl.zst"))
    said = [line for closed in ticks for line in closed.record.lines]
    blessed = (STREET / "incidents.jsonl").read_bytes().splitlines()
    for number, (now, then) in enumerate(zip(said, blessed, strict=False), 1):
        assert now == then, f"revision {number} differs; see about.md for how to bless it"
    assert len(said) == len(blessed)
    runner.counters.check(runner.held)


def test_the_blessed_log_holds_whole_revisions_of_announced_incidents() -> None:
    revisions = [read_incident(line) for line in (STREET / "incidents.jsonl").read_bytes().splitlines()]
    assert {revision.type for revision in revisions if revision.detected_ms is not None} >= {"fire", "pollution"}
