"""`city-brain explain` and `score`: an answer taken apart, and held against the truth."""

import msgspec
import pytest

from city_brain.incidents.explain import Explanation
from city_brain.scoring import PairScore, Score
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain


def _announced(world: Fused) -> dict[str, object]:
    return [line for line in world.revisions() if line["detected_ms"]][-1]


def test_explain_lists_every_incident(world: Fused) -> None:
    done = city_brain("explain", world.incidents)
    assert done.code == 0, done.err
    assert {line.split()[0] for line in done.out.splitlines()} == {line["number"] for line in world.revisions()}


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
    assert city_brain("score", truth).code == 2
    for words, said in (((truth, "absent"), "absent: wanted"), ((world.incidents, world.incidents), "truth: wanted")):
        done = city_brain("score", *words)
        assert done.code == 1
        assert said in done.err
