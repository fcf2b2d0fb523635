"""`city-brain why-not`: what was announced is found, each miss has its gate or nobody saw it, and nothing changes."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
import zstandard

from city_brain.cli.common import open_map
from city_brain.inquiry.answering import Answer, answer
from city_brain.inquiry.listening import Listener, Question
from city_brain.replay.replay import Answer as Log
from city_brain.replay.stream import StreamReader
from city_brain.scoring import Score, read_answers, read_truth, score
from city_brain.scoring.records import TrueIncident, Truth
from city_brain.sources.recording import read_blocks
from tests.cli.conftest import Fused
from tests.cli.processes import Done, city_brain
from tests.conftest import ABSENT


def _ask(world: Fused, lon: float, lat: float, time_ms: float, *words: object) -> Done:
    time = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()
    where = ("--at", f"{lon},{lat}", "--time", time)
    return city_brain("why-not", world.observations, "--map", world.city_map, *where, *words)


def _clock(moment_ms: float) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%H:%M:%S")


def _truth(folder: Path) -> Truth:
    return read_truth((folder / "truth.json").read_bytes())


def _question(true: TrueIncident) -> Question:
    return Question(
        lon=true.lon, lat=true.lat, time_ms=round(true.start), radius_m=80.0, within_s=120.0, type=true.type
    )


Asked: TypeAlias = tuple[Score, dict[str, Answer], Log]


@pytest.fixture(scope="module")
def asked(world: Fused) -> Asked:
    """The synthetic city, asked of every incident that really happened in it."""
    return _ask_of_all(world.folder, world.observations)


def _ask_of_all(folder: Path, observations: Path) -> Asked:
    """The score of a world, the answer at the true place and beginning of every incident, and the tick log."""
    site, truth = open_map(folder / "city.geojson"), _truth(folder)
    runner, lines, log = site.runner(), list[bytes](), Log()
    listeners = {true.incident_id: Listener(runner, _question(true)) for true in truth.incidents}
    for closed in StreamReader(runner).read(read_blocks(observations)):
        lines += closed.record.lines
        log.take(closed)
        for listener in listeners.values():
            listener.take(closed)
    answers = {name: answer(listener, _clock) for name, listener in listeners.items()}
    return score(truth, read_answers(lines)), answers, log


def _says_why(said: Answer) -> bool:
    """Whether an answer names a candidate with what stopped it, or why nothing could see it."""
    stopped = [made for made in said.candidates if made.gate != "announced" and made.type == said.question.type]
    named = all(made.lacks or made.missing is not None or made.cause is not None for made in stopped)
    (sight,) = said.types
    return named and (bool(stopped) or (sight.could != "yes" and bool(sight.why)))


def test_what_was_announced_is_found_where_and_when_it_was(world: Fused) -> None:
    """Asked at the place and time of an announcement, the answer is its number and when that was."""
    told = {line["number"]: line for line in world.revisions() if line["detected_ms"]}
    assert told
    for number, line in list(told.items())[:2]:
        done = _ask(world, line["lon"], line["lat"], line["detected_ms"], "--type", line["type"])
        assert done.code == 0, done.err
        assert re.search(rf"^ANSWER  It was told: .*{number} ", done.out, re.MULTILINE), done.out


def test_each_miss_of_a_synthetic_city_gets_its_gate_or_why_nothing_saw_it(asked: Asked) -> None:
    """This city has misses of both kinds: what was looked at and lacked something, and what no camera views."""
    figures, answers, _ = asked
    missed = {miss.incident_id: answers[miss.incident_id] for miss in figures.missed}
    assert len(missed) >= 2
    for name, said in missed.items():
        assert said.summary.startswith("Not told: "), (name, said.summary)
        assert _says_why(said), (name, said.summary)
    assert any(made.gate == "not_handed_over" for said in missed.values() for made in said.candidates)
    assert any("no camera views this place" in said.summary for said in missed.values())


def test_listening_changes_nothing(world: Fused, asked: Asked) -> None:
    """A run that is listened to, by many at once, gives the digest that `fuse` gives."""
    assert asked[2].digest == world.result["digest"]


def test_a_miss_is_told_as_people_ask_for_it(world: Fused, asked: Asked) -> None:
    """The command says the same as a listener, with the zone of times, the sources and what could be seen."""
    figures, answers, _ = asked
    true = {true.incident_id: true for true in _truth(world.folder).incidents}
    miss = true[figures.missed[0].incident_id]
    done = _ask(world, miss.lon, miss.lat, miss.start, "--type", miss.type, "--zone", "UTC")
    assert done.code == 0, done.err
    assert f"ANSWER  {answers[miss.incident_id].summary}" in done.out.splitlines()
    assert re.search(r"^ASKED  \w+ at 2026-\S+\+00:00 ± 120 s, within 80 m of ", done.out), done.out
    for title in ("CANDIDATES", "LOOKED AT", "SOURCES", "COULD BE SEEN"):
        assert re.search(rf"^{title}  ", done.out, re.MULTILINE), done.out


def test_at_an_empty_place_nothing_could_see_anything(world: Fused) -> None:
    """Far from everything on the map no type but those that need no source could have been seen, and it is said why."""
    start_ms = _truth(world.folder).incidents[0].start
    done = _ask(world, 110.2, 42.3, start_ms, "--json")
    assert done.code == 0, done.err
    said = msgspec.json.decode(done.out, type=Answer)
    could = {sight.type for sight in said.types if sight.could != "no"}
    assert could == {"coverage_lost", "person_report"}
    assert not said.candidates
    by_type = {sight.type: " ".join(sight.why) for sight in said.types}
    assert "no camera views this place" in by_type["fire"]
    assert "no lane of the map lies within" in by_type["crash"]
    assert "no junction with a signal" in by_type["signal_fault"]
    assert re.search(r"the nearest, \S+, is \d+\.\d km away", by_type["pollution"])
    assert said.summary.startswith("Not told: ")


def test_a_time_outside_the_recording_is_an_error_that_says_its_range(world: Fused) -> None:
    """Before and behind it alike."""
    true = _truth(world.folder).incidents[0]
    for time_ms in (true.start - 3_600_000, true.start + 3_600_000):
        done = _ask(world, true.lon, true.lat, time_ms)
        assert done.code == 1
        assert done.out == ""
        assert re.search(r"wanted a time in the recording, got 2026-\S+; it holds 2026-\S+ to 2026-\S+\n$", done.err)


def test_a_recording_of_topics_is_asked_as_its_lines_are(world: Fused, tmp_path: Path) -> None:
    """The same answer as the lines it was made of; where it is cut, what was read counts and the exit code says so."""
    recording, true = tmp_path / "world.mcap", _truth(world.folder).incidents[0]
    assert city_brain("bag", "convert", world.observations, recording, "--map", world.city_map).code in (0, 3)
    time = datetime.fromtimestamp(true.start / 1000, UTC).isoformat()
    words = ("--map", world.city_map, "--at", f"{true.lon},{true.lat}", "--time", time)
    asked = city_brain("why-not", recording, *words)
    assert asked.code == 0, asked.err
    straight = _ask(world, true.lon, true.lat, true.start)
    assert _answered(asked.out) == _answered(straight.out)
    recording.write_bytes(recording.read_bytes()[:-2000])
    cut = city_brain("sources", recording, "--map", world.city_map)
    assert cut.code == 3
    assert "wanted a whole recording, got: " in cut.err


def _answered(told: str) -> str:
    return next(line for line in told.splitlines() if line.startswith("ANSWER"))


def test_wrong_words_are_named(world: Fused) -> None:
    """A place, a type, a map and a site that cannot be."""
    for words, code, said in (
        (("--at", "200,10"), 2, "--at: wanted longitude,latitude"),
        (("--at", "here"), 2, "--at: wanted longitude,latitude"),
        (("--at", "109.7,41.9", "--type", "crush"), 2, "got 'crush'; did you mean 'crash'?"),
        (("--at", "109.7,41.9", "--site", world.folder), 2, "wanted either --site or --map"),
    ):
        done = city_brain(
            "why-not", world.observations, "--map", world.city_map, "--time", "2026-09-24T08:00:30+08:00", *words
        )
        assert (done.code, done.out) == (code, ""), done
        assert said in done.err, done.err


def _without_witnesses(folder: Path, truth: Truth, out: Path) -> Path:
    """A recording in which all that told of a true incident was silent about its time."""
    silent: dict[str, list[tuple[float, float]]] = {}
    for true in msgspec.json.decode((folder / "truth.json").read_bytes(), type=dict[str, Any])["incidents"]:
        for source in true["sources"] if not true["ignore"] else ():
            silent.setdefault(source, []).append((true["start"] - 20_000, true["end"] + 20_000))
    packed = (folder / "observations.jsonl.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines(keepends=True)
    out.write_bytes(b"".join(line for line in lines if not _is_silent(line, silent)))
    return out


def _is_silent(line: bytes, silent: dict[str, list[tuple[float, float]]]) -> bool:
    found = re.search(rb'"source_id":\s*"([^"]+)".*"arrival_time_ms":\s*(\d+)', line)
    if found is None:
        return False
    return any(since <= int(found[2]) <= until for since, until in silent.get(found[1].decode(), ()))


@pytest.mark.slow
def test_each_miss_of_a_world_without_witnesses_is_answered(shared: Path, tmp_path: Path) -> None:
    """Where every source that told of an incident falls silent about its time, that becomes a miss, and the answer
    names who was silent, or what was looked at all the same and lacked something.
    """
    folder = shared / "scenarios" / "tune" / "101"
    if not (folder / "observations.jsonl.zst").is_file():
        pytest.skip(f"{ABSENT}: wanted {folder}")
    observations = _without_witnesses(folder, _truth(folder), tmp_path / "silenced.jsonl")
    figures, answers, _ = _ask_of_all(folder, observations)
    assert len(figures.missed) >= 6
    for miss in figures.missed:
        assert _says_why(answers[miss.incident_id]), (miss, answers[miss.incident_id].summary)
    said = " ".join(answers[miss.incident_id].summary for miss in figures.missed)
    assert "cam-C1-E views this place, but was silent or blind from" in said
