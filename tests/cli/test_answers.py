"""`city-brain explain` and `score`: an answer taken apart, and held against the truth."""

import re
from pathlib import Path

import msgspec
import pytest

from city_brain.cli.answers.explain import wrapped
from city_brain.incidents.explain import Explanation
from city_brain.scoring import PairScore, Score
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain


def _announced(world: Fused) -> dict[str, object]:
    return [line for line in world.revisions() if line["detected_ms"]][-1]


def test_explain_lists_every_incident_the_announced_first(world: Fused) -> None:
    """Number, state, confidence, level, when, type, what and where, in columns."""
    done = city_brain("explain", world.incidents)
    assert done.code == 0, done.err
    newest = {line["number"]: line for line in world.revisions()}
    told = done.out.splitlines()
    assert {line.split()[0] for line in told} == set(newest)
    announced = [newest[line.split()[0]]["detected_ms"] for line in told]
    assert announced == sorted(announced, key=lambda ms: (ms is None, ms or 0))
    assert [line.endswith(" never announced") or "  never announced  " in line for line in told] == [
        ms is None for ms in announced
    ]
    assert len({line.index(newest[line.split()[0]]["type"]) for line in told}) == 1
    assert re.search(
        r"  (active|ended) .*%  (I|II|III|IV|-) +2026-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00  \w+ +[A-Z]", told[0]
    )


def test_the_list_as_data_is_a_line_each(world: Fused) -> None:
    told = [msgspec.json.decode(line) for line in city_brain("explain", world.incidents, "--json").out.splitlines()]
    assert {line["number"] for line in told} == {line["number"] for line in world.revisions()}
    assert set(told[0]) == {
        "number", "incident_id", "state", "confidence", "level", "announced", "type", "headline",
    }  # fmt: skip


def test_an_incident_is_told_as_it_was_announced(world: Fused) -> None:
    """The last revision is told unless the one of the announcement is asked for; both say which they are."""
    number = _announced(world)["number"]
    revisions = [line for line in world.revisions() if line["number"] == number]
    first = next(line["revision"] for line in revisions if line["detected_ms"])
    for options, revision in (((), len(revisions)), (("--announced",), first)):
        text = city_brain("explain", world.incidents, number, *options).out
        assert re.search(rf"as of: 2026-\S+\+08:00, revision {revision} of {len(revisions)}$", text, re.MULTILINE), text


def test_the_printed_weights_add_up_to_the_printed_sum(world: Fused) -> None:
    for number in {line["number"] for line in world.revisions()}:
        text = city_brain("explain", world.incidents, number).out
        weights = [round(100 * float(found)) for found in re.findall(r"^    ([+-]\d+\.\d\d) ", text, re.MULTILINE)]
        found = re.search(
            r"sum: evidence (\S+), prior (\S+?)(?:, rounding and what is not listed (\S+?))?"
            r"(?:, calibration (\S+))?: (\S+), ",
            text,
        )
        assert found is not None, text
        evidence, prior, rest, learnt, total = (round(100 * float(part or 0)) for part in found.groups())
        assert sum(weights) == evidence
        assert evidence + prior + rest + learnt == total


def test_lines_are_wrapped_at_words_and_columns() -> None:
    assert wrapped("  for: one two three", 12) == ["  for: one", "      two", "      three"]
    assert wrapped("  支持: 一二 三四", 12) == ["  支持: 一二", "      三四"]
    assert wrapped("short", 12) == ["short"]


@pytest.mark.parametrize(("language", "words"), [("en", ("state:", "rule:", "for:")), ("zh", ("状态", "规则", "支持"))])
def test_explain_says_why_in_two_languages(world: Fused, language: str, words: tuple[str, ...]) -> None:
    number = _announced(world)["number"]
    done = city_brain("explain", world.incidents, number, "--language", language, "--zone", "Asia/Shanghai")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{number} ")
    assert "+08:00" in done.out
    for word in words:
        assert word in done.out


def test_explain_gives_data_that_add_up(world: Fused) -> None:
    incident = _announced(world)
    done = city_brain("explain", world.incidents, incident["incident_id"], "--json")
    told = msgspec.json.decode(done.out, type=Explanation)
    weights = [item.weight for item in (*told.supporting, *told.contradicting, *told.joined)]
    assert told.number == incident["number"]
    assert sum(weights) == pytest.approx(told.evidence_log_odds, abs=0.01)


def test_an_incident_that_is_not_there_is_named_with_those_that_are(world: Fused) -> None:
    done = city_brain("explain", world.incidents, "0101-999")
    assert done.code == 1
    assert "wanted an incident 0101-999, got only" in done.err
    assert str(_announced(world)["number"]) in done.err


def test_an_unknown_language_or_zone_is_a_usage_error(world: Fused) -> None:
    assert city_brain("explain", world.incidents, "--language", "fr").code == 2
    done = city_brain("explain", world.incidents, _announced(world)["number"], "--zone", "Mars/Olympus")
    assert done.code == 2
    assert "Mars/Olympus" in done.err


def test_score_prints_the_table_and_pools_worlds(world: Fused) -> None:
    files = (world.folder / "truth.json", world.incidents)
    once = city_brain("score", *files)
    assert once.code == 0, once.err
    assert "OVERALL" in once.out
    single, double = (
        msgspec.json.decode(city_brain("score", *files * times, "--json").out, type=Score) for times in (1, 2)
    )
    assert double.overall.true == 2 * single.overall.true > 0
    assert double.overall.detection_rate == single.overall.detection_rate


def test_score_of_tracks_is_that_of_pairs(world: Fused) -> None:
    files = (world.folder / "identity.json", world.folder / "tracks.jsonl")
    done = city_brain("score", "--pairs", *files)
    assert done.code == 0, done.err
    assert "pair F1" in done.out
    said = msgspec.json.decode(city_brain("score", "--pairs", *files, "--json").out, type=PairScore)
    assert said.true_pairs > 0
    assert said.pair_f1 is not None and said.pair_f1 > 0.5


def test_score_names_the_file_at_fault(world: Fused) -> None:
    truth = world.folder / "truth.json"
    done = city_brain("score", truth)
    assert (done.code, done.err) == (2, "city-brain: score: wanted files two by two (TRUTH INCIDENTS), got 1 file\n")
    for words, code, said in (
        ((truth, "absent"), 2, "absent: wanted"),
        ((world.incidents, world.incidents), 1, f"{world.incidents}: wanted a truth"),
    ):
        done = city_brain("score", *words)
        assert done.code == code
        assert said in done.err


def test_a_line_that_is_no_incident_is_named_with_file_and_line(world: Fused, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(world.incidents.read_bytes().splitlines()[0] + b"\n{}\n")
    done = city_brain("explain", broken)
    assert done.code == 1
    assert f"{broken} line 2: wanted one revision of an incident, got" in done.err


def test_a_file_that_is_not_there_is_wrong_usage(world: Fused) -> None:
    done = city_brain("explain", "absent.jsonl")
    assert (done.code, done.err) == (
        2,
        "city-brain: absent.jsonl: wanted a file of incidents, got: No such file or directory\n",
    )


def test_times_are_those_of_the_zone(world: Fused) -> None:
    files = (world.folder / "truth.json", world.incidents)
    for zone, offset in (((), "+08:00"), (("--zone", "UTC"), "+00:00")):
        assert offset in city_brain("explain", world.incidents, *zone).out
        said = city_brain("score", *files, *zone).out
        assert all(offset in line for line in said.splitlines() if line.startswith(("missed ", "false ")))
