"""What a page is told: within its limits, with each limit named, and the revisions that tell the story."""

from itertools import pairwise

import msgspec
import pytest

from city_brain.city.city_map import CityMap
from city_brain.incidents.incident import Incident
from city_brain.page.document import MOST_REVISIONS, from_json, to_json
from city_brain.page.ground import MOST, ground_of
from city_brain.page.html import report
from city_brain.page.words import kinds, telling
from tests.cli.processes import city_brain
from tests.page.conftest import Reported
from tests.page.invented import FRAME, TYPES, a_city, a_document, an_incident


def revisions(count: int) -> list[Incident]:
    """Revisions of one incident that is announced amid them and ends with the last but one."""
    first = msgspec.structs.replace(an_incident(1, (0.0, 0.0)), state="suspected", level=None)
    made = [msgspec.structs.replace(first, revision=k + 1, updated_ms=first.updated_ms + k) for k in range(count)]
    for k in range(count // 2, count):
        made[k] = msgspec.structs.replace(made[k], state="active", level="IV" if k < count * 3 // 4 else "III")
    made[-1] = msgspec.structs.replace(made[-1], state="ended")
    return made


@pytest.mark.parametrize("count", [1, 2, MOST_REVISIONS, MOST_REVISIONS + 1, 500])
def test_revisions_that_tell_the_story_are_kept(count: int) -> None:
    """First, last and each change of state or level, in order, and no more than there may be."""
    made = revisions(count)
    kept = telling(made)
    assert len(kept) == min(count, MOST_REVISIONS)
    assert kept == sorted(kept, key=lambda said: said.revision)
    numbers = {said.revision for said in kept}
    assert {1, count} <= numbers
    for before, after in pairwise(made):
        if (before.state, before.level) != (after.state, after.level):
            assert after.revision in numbers


def test_many_turns_are_cut_too() -> None:
    made = [
        msgspec.structs.replace(said, level="III" if said.revision % 2 else "IV", state="active")
        for said in revisions(300)
    ]
    assert len(telling(made)) == MOST_REVISIONS
    assert telling(made)[-1].revision == 300


def test_a_map_beyond_the_limits_is_cut_and_says_so() -> None:
    """So many cameras are drawn, and how many there were stands beside."""
    city = a_city(4)
    many = MOST["cameras"] + 7
    cameras = tuple(type(city.cameras[0])(**{**_fields(city.cameras[0]), "id": f"c{k}"}) for k in range(many))
    larger = CityMap(frame=FRAME, datum=city.datum, cameras=cameras, intersections=city.intersections)
    ground, limits = ground_of(larger)
    assert len(ground.cameras) == MOST["cameras"]
    assert [(limit.what, limit.shown, limit.total) for limit in limits] == [("cameras", MOST["cameras"], many)]


def _fields(camera: object) -> dict[str, object]:
    return {name: getattr(camera, name) for name in ("x", "y", "heading_deg", "range_m", "fov_deg", "view")}


def test_types_have_a_label_without_a_place() -> None:
    """What a headline says without its place names the type, in both languages."""
    for name, kind in kinds(TYPES).items():
        for label in (kind.label.zh, kind.label.en):
            assert label
            assert "{" not in label, name
    assert kinds(TYPES)["crash"].label.en == "Crash"
    assert kinds(TYPES)["pollution"].label.en == "Pollution source"


def test_a_document_is_json_and_back() -> None:
    said = from_json(to_json(a_document(3)))
    assert len(said["incidents"]) == 3
    assert said["incidents"][0]["revisions"][0]["evidence"][0]["rows"] == []


def test_the_same_run_leaves_the_same_page(reported: Reported) -> None:
    """Byte for byte, and with several partitions a page all the same."""
    words = ("--map", reported.folder / "city.geojson", "--incidents", reported.folder / "again.jsonl")
    again = reported.folder / "again.html"
    done = city_brain("fuse", reported.observations, *words, "--report", again)
    assert done.code == 0, done.err
    assert again.read_bytes() == reported.html.read_bytes()
    done = city_brain("fuse", reported.observations, *words, "--report", again, "--partitions", 2)
    assert done.code == 0, done.err
    assert again.read_bytes().startswith(b"<!doctype html>")


def test_a_page_is_never_written_over_what_is_read(reported: Reported) -> None:
    """Nor over another file that the command writes; and a folder that is not there is said."""
    words = (
        reported.observations,
        "--map",
        reported.folder / "city.geojson",
        "--incidents",
        reported.folder / "x.jsonl",
    )
    for path in (reported.observations, reported.folder / "x.jsonl"):
        done = city_brain("fuse", *words, "--report", path)
        assert (done.code, "wanted a file of its own to write" in done.err) == (2, True)
    done = city_brain("fuse", *words, "--report", reported.folder / "none" / "x.html")
    assert done.code == 2
    assert "wanted a file to write" in done.err
    assert "read " not in done.err, "it is said before anything is read"


def test_two_thousand_incidents_are_some_megabytes() -> None:
    """A page that is sent by mail: what is bounded stays so."""
    assert len(report(a_document(2000, 300))) < 4_000_000
