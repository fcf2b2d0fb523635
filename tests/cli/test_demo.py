"""`city-brain demo` goes the whole way, computes what it prints, and prints what README.md shows."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import zstandard

from city_brain.cli.demo.pixels import Pixels, put_pixels
from city_brain.cli.demo.story import world
from city_brain.incidents.incident import read_incident
from city_brain.observations.json_twin import from_lines
from city_brain.scoring import Score, read_answers, read_truth, score
from city_brain.synth import SynthCity, write_world
from city_brain.synth.sights import Sights
from tests.cli.processes import ENVIRONMENT, Done, city_brain
from tests.cli.readme import LEFT_OUT, SHOWN, excerpt, fingerprint, pasted, sections

TITLES = ["CITY", "INCIDENTS", "PIXELS", "WHY", "NEAR MISS", "BLIND", "ROWS", "SCORE", "THE SAME", "LEFT", "NEXT"]
LEFT = {
    "city.geojson", "observations.jsonl.zst", "incidents.jsonl", "ticks.jsonl", "tracks.jsonl", "truth.json",
    "identity.json", "explanations.txt", "score.json", "report.html",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A demo that has run in a folder of its own."""

    done: Done
    folder: Path

    @property
    def sections(self) -> dict[str, list[str]]:
        """What it printed, by section."""
        return sections(self.done.out)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The demo as `make demo` runs it."""
    folder = tmp_path_factory.mktemp("demo")
    done = city_brain("demo", folder=folder)
    assert done.code == 0, done.err
    return Shown(done, folder)


def observation_lines(folder: Path) -> list[bytes]:
    """The lines of what arrived in a world."""
    packed = (folder / "observations.jsonl.zst").read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed).split(b"\n")[:-1]


def test_the_demo_tells_the_whole_story(demo: Shown) -> None:
    assert list(demo.sections) == TITLES
    assert "\x1b" not in demo.done.out, "a file wants plain text"


def test_every_announced_incident_is_told_when_it_is_announced(demo: Shown) -> None:
    lines = (demo.folder / "out/demo/incidents.jsonl").read_bytes().splitlines()
    first: dict[str, str] = {}
    for incident in map(read_incident, lines):
        if incident.detected_ms is not None:
            first.setdefault(incident.number, incident.type)
    told = [line.split() for line in demo.sections["INCIDENTS"][1::3]]
    assert [(words[1], words[2]) for words in told] == list(first.items())
    assert [words[0] for words in told] == sorted(words[0] for words in told)


def test_the_rows_add_up(demo: Shown) -> None:
    *parts, read = (int(line.split()[0]) for line in demo.sections["ROWS"][1:])
    assert sum(parts) == read > 10_000


def test_the_score_is_that_of_the_files(demo: Shown) -> None:
    folder = demo.folder / "out/demo"
    truth = read_truth((folder / "truth.json").read_bytes())
    again = score(truth, read_answers((folder / "incidents.jsonl").read_bytes().splitlines()))
    assert msgspec.json.decode((folder / "score.json").read_bytes(), type=Score) == again
    whole = again.overall
    false = f"{whole.false_alarms} false alarm" + ("" if whole.false_alarms == 1 else "s")
    said = f"{whole.detected} found, {whole.true - whole.detected} missed, {false}"
    assert demo.sections["SCORE"][0].endswith(said)
    assert sum(line.startswith("  missed") for line in demo.sections["SCORE"]) == len(again.missed)
    assert sum(line.startswith("  false") for line in demo.sections["SCORE"]) == len(again.false)


def test_other_ways_of_reading_give_the_digest_that_fuse_gives(demo: Shown) -> None:
    _, first, *others = demo.sections["THE SAME"]
    assert len(others) == 2
    assert all(line.startswith("  the same ") for line in others)
    folder = demo.folder / "out/demo"
    words = ("--map", folder / "city.geojson", "--incidents", folder / "again.jsonl", "--json")
    fused = msgspec.json.decode(city_brain("fuse", folder / "observations.jsonl.zst", *words).out)
    assert first.split() == ["digest", fused["digest"]]
    assert (folder / "again.jsonl").read_bytes() == (folder / "incidents.jsonl").read_bytes()


def test_what_it_says_is_left_lies_on_disk(demo: Shown) -> None:
    assert {line.split()[0] for line in demo.sections["LEFT"][1:]} == LEFT
    assert {path.name for path in (demo.folder / "out/demo").iterdir()} >= LEFT


def test_what_to_try_next_works(demo: Shown) -> None:
    """The quick ones of the commands are run as they are printed; the others are tested on their own."""
    quick = [line for line in demo.sections["NEXT"][1:] if re.search(r" (explain|score) ", line)]
    assert len(quick) == 4
    for line in quick:
        words = line.partition(" city_brain ")[2].split()
        done = city_brain(*words, folder=demo.folder)
        assert done.code == 0, f"{line}: {done.err}"


@pytest.mark.parametrize("title", ["WHY", "NEAR MISS"])
def test_the_printed_weights_add_up_to_the_printed_sum(demo: Shown, title: str) -> None:
    """Prior and evidence as they are printed, to the last digit; what another revision said stands below the sum."""
    figures = [re.match(r"  +([+-]\d+\.\d\d)  (sum)?", line) for line in demo.sections[title][1:]]
    found = [(round(100 * float(figure[1])), bool(figure[2])) for figure in figures if figure is not None]
    at = [is_sum for _, is_sum in found].index(True)
    assert at > 1
    assert sum(weight for weight, _ in found[:at]) == found[at][0]


def test_cameras_that_fell_silent_are_counted_as_they_were_shown(demo: Shown) -> None:
    """What BLIND lists and what the score says of it are one."""
    (line,) = [line for line in demo.sections["SCORE"] if line.startswith("  apart: ")]
    silent, shown = (int(found) for found in re.findall(r"(\d+) (?:cameras? fell silent|shown as blind)", line))
    listed = [line for line in demo.sections["BLIND"][1:] if line.startswith("  cam-")]
    assert 0 < shown <= silent
    assert len(listed) >= shown


def test_an_incident_comes_from_pixels(demo: Shown) -> None:
    """An announced incident names the camera that was drawn, and the lines that are named as its rows are what was seen
    in pictures; nothing of what was made up for that camera is left.
    """
    title, _, second, third = demo.sections["PIXELS"]
    camera = title.split()[1].rstrip(",")
    folder = demo.folder / "out/demo"
    lines = observation_lines(folder)
    mine = [number for number, line in enumerate(lines, 1) if f'"source_id":"{camera}"'.encode() in line]
    assert second.startswith(f"  {len(mine)} detections on the ground, in place of ")
    number, kind = third.split()[:2]
    assert f"{number}  {kind}" in "\n".join(demo.sections["INCIDENTS"])
    incidents = map(read_incident, (folder / "incidents.jsonl").read_bytes().splitlines())
    named = [item for incident in incidents if incident.number == number for item in incident.evidence]
    rows = sorted({row for item in named if camera in item.sources for _, row, _ in item.rows} & set(mine))
    told = (
        f"{len(rows)} rows of its evidence from pixels, among what arrived as number {', '.join(map(str, rows[:4]))}, …"
    )
    assert third == f"  {number} {kind} names it: {told}"
    seen = from_lines([lines[row - 1] for row in rows])
    assert not seen.rejected
    assert seen.observations.n == len(rows)
    assert not any(key.startswith(f"{camera}|") for key in msgspec.json.decode((folder / "identity.json").read_bytes()))


def test_pixels_are_the_same_on_every_run(demo: Shown, tmp_path: Path) -> None:
    """The world drawn and looked at again: every file that is fused has the same bytes."""
    city, sights = SynthCity(world(5, 24, 6)), Sights()
    write_world(city, tmp_path, watch=sights.take)
    pixels = put_pixels(city, sights, read_truth((tmp_path / "truth.json").read_bytes()), tmp_path)
    assert isinstance(pixels, Pixels)
    for name in ("city.geojson", "identity.json"):
        assert (tmp_path / name).read_bytes() == (demo.folder / "out/demo" / name).read_bytes()
    assert observation_lines(tmp_path) == observation_lines(demo.folder / "out/demo")


def test_without_the_extra_pixels_are_left_out(tmp_path: Path) -> None:
    """It says what to install, and all else goes its way."""
    absent = "import sys; sys.modules['cv2'] = None; from city_brain.cli import main; main()"
    words = ["demo", "--cameras", "4", "--minutes", "0.3"]
    done = subprocess.run(
        [sys.executable, "-c", absent, *words],
        cwd=tmp_path,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = sections(done.stdout)["PIXELS"]
    assert told == ["PIXELS  left out: wanted the package cv2, got none: install city-brain[vision]"]


def test_readme_shows_what_the_demo_prints(demo: Shown) -> None:
    """Word for word where the synthetic city is the same; section for section where numpy made another one of it."""
    observations, text = pasted()
    if observations == fingerprint(demo.folder / "out/demo"):
        assert text == excerpt(demo.done.out), "run python -m tests.cli.readme, and look at what has changed"
    shown = [title for title in sections(text.replace(f"\n{LEFT_OUT}\n", "")) if title in TITLES]
    assert shown == list(SHOWN)


def test_a_zone_or_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    done = city_brain("demo", "--zone", "Mars/Olympus", folder=tmp_path)
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert "Mars/Olympus" in done.err


def test_a_city_in_which_nothing_happens_is_told_as_well(tmp_path: Path) -> None:
    """Few cameras and seconds, and a folder whose name wants quotes in the commands to try."""
    done = city_brain("demo", "--cameras", 2, "--minutes", 0.3, "--out", "o u t", folder=tmp_path)
    assert done.code == 0, done.err
    told = sections(done.out)
    assert list(told) == [title for title in TITLES if title != "WHY"]
    assert told["INCIDENTS"][1:] == ["  none"]
    assert any(line.endswith("'o u t/incidents.jsonl' --language zh") for line in told["NEXT"])
