"""`city-brain check` says where a mistake stands, what was wanted, what was found and the nearest right word."""

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Fused
from tests.cli.mistakes import MAP, MISTAKES, ROWS, RULE, SETTINGS, Mistake, answered
from tests.cli.processes import city_brain


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as `init` makes it."""
    folder = tmp_path_factory.mktemp("new") / "site"
    assert city_brain("init", folder).code == 0
    return folder


@pytest.fixture
def site(new_site: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return shutil.copytree(new_site, tmp_path / "site")


def test_each_kind_of_file_has_seven_mistakes_at_least() -> None:
    for file in (MAP, ROWS, RULE, SETTINGS):
        assert sum(mistake.file == file for mistake in MISTAKES) >= 7


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{Path(mistake.file).stem}: {mistake.what}")
def test_a_mistake_is_answered_with_its_place_what_was_wanted_and_what_was_found(site: Path, mistake: Mistake) -> None:
    """There is one fault and no more."""
    code, faults = answered(site, mistake)
    assert (code, len(faults)) == (1, 1), faults
    (fault,) = faults
    assert fault["place"].startswith(str(site / mistake.file))
    assert mistake.place in fault["place"]
    assert mistake.wanted in fault["wanted"]
    assert mistake.got in fault["got"]
    assert fault.get("did_you_mean") == mistake.near


def test_a_person_reads_what_a_program_reads(site: Path) -> None:
    mistake = next(mistake for mistake in MISTAKES if mistake.near)
    _, (fault,) = answered(site, mistake)
    assert fault["message"] in city_brain("check", site).out.splitlines()


def test_a_new_site_is_in_order(site: Path) -> None:
    done = city_brain("check", site, site / ROWS)
    assert (done.code, done.err) == (0, "")
    assert [line.split(";")[0].replace(f"{site}/", "") for line in done.out.splitlines()] == [
        "city.geojson: city map, in order",
        "site.toml: settings of a site, in order",
        "incident-types/gale.yaml: incident type, in order",
        "observations.jsonl: observations, in order",
    ]


@pytest.mark.parametrize(
    "elsewhere", ["gale.yaml", "rules/gale.yaml", "incident-types/new/gale.yaml", f"{RULE[:-4]}yml"]
)
def test_a_rule_that_lies_where_none_is_read_is_told(site: Path, elsewhere: str) -> None:
    """A rule that nobody reads raises no alarm, and nothing else would say so."""
    (site / elsewhere).parent.mkdir(exist_ok=True)
    (site / RULE).rename(site / elsewhere)
    (site / "compose.yaml").write_text("services:\n  detector:\n    image: x\n", encoding="utf-8")
    done = city_brain("check", site, "--json")
    (fault,) = [fault for one in msgspec.json.decode(done.out)["files"] for fault in one["faults"]]
    assert (done.code, fault["place"]) == (1, str(site / elsewhere))
    assert fault["wanted"] == "a file incident-types/*.yaml of the site, for only those are read"
    assert Path(elsewhere).name in fault["got"]


def test_the_policy_of_a_site_is_read_with_it(site: Path) -> None:
    """Who may know what names types and areas, which only the whole site has."""
    settings = (site / SETTINGS).read_text(encoding="utf-8").replace("[feed]", '[feed]\npolicy = "policy.toml"')
    (site / SETTINGS).write_text(settings, encoding="utf-8")
    rights = "[departments.fire]\ncertificates = ['cn:x']\npermissions = ['feed.read']\n"
    (site / "policy.toml").write_text(rights + "types = ['gael']\n", encoding="utf-8")
    done = city_brain("check", site)
    assert done.code == 1
    assert "got 'gael'; did you mean 'gale'?" in done.out
    (site / "policy.toml").write_text(rights + "types = ['gale']\n", encoding="utf-8")
    assert city_brain("check", site).code == 0


def test_all_mistakes_of_a_file_are_told_at_once(site: Path) -> None:
    """Whoever mends a file mends all of it before asking again."""
    for name, changes in {
        MAP: [('"unit":"m/s",', ""), ('"heading_deg":', '"heading":'), ('"width_m":4.0', '"width_m":"4"')],
        RULE: [
            ("detector: threshold", "detector: treshold"),
            ("hold_s: 0", "hold_s: -1"),
            ("level: II,", "level: 2,"),
        ],
        SETTINGS: [("time_zone", "timezone"), ("[http]", "[htpp]")],
    }.items():
        text = (site / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (site / name).write_text(text, encoding="utf-8")
        done = city_brain("check", site / name)
        assert done.code == 1
        assert f"{len(changes)} faults" in done.out.splitlines()[-1], done.out


def test_more_than_a_person_reads_is_counted(site: Path) -> None:
    lines = (site / ROWS).read_bytes().splitlines()
    (site / ROWS).write_bytes(b"\n".join(b"{}" for _ in lines))
    done = city_brain("check", site / ROWS, "--most", 3)
    *told, more, summary = done.out.splitlines()
    assert (done.code, len(told)) == (1, 3)
    assert more.endswith(f"and {len(lines) - 3} more like these")
    assert f"0 of {len(lines)} rows can be read" in summary


def test_rows_end_as_fuse_counts_them(world: Fused) -> None:
    """Late, doubled, skewed and broken ones among them: each count is that of the run itself."""
    done = city_brain("check", world.observations, "--map", world.city_map, "--json")
    (said,) = msgspec.json.decode(done.out)["files"]
    counters = world.result["counters"]
    assert done.code == 1
    assert {name: said["counts"][name] for name in ("used", "duplicate", "quarantined", "dead_lettered")} == {
        name: counters[name] for name in ("used", "duplicate", "quarantined", "dead_lettered")
    }
    assert said["counts"]["rows"] == counters["read"]


def test_what_is_taken_but_hardly_meant_is_noted(site: Path) -> None:
    """A word that counts as `other` and a key that is left out refuse nothing; whoever wrote them wants to know."""
    text = (site / ROWS).read_text(encoding="utf-8")
    text = text.replace('"class":"car"', '"class":"cra"').replace('"heading_deg"', '"heading"')
    (site / ROWS).write_text(text, encoding="utf-8")
    done = city_brain("check", site / ROWS, "--site", site)
    assert done.code == 0, done.out
    assert "payload.class: 'cra' is not known and counts as 'other'; did you mean 'car'?" in done.out
    assert "'payload.heading' is no key of ours and is left out; did you mean 'payload.heading_deg'?" in done.out


def test_a_file_without_a_telling_name_is_known_by_its_content(site: Path) -> None:
    for name, what in ((MAP, "city map"), (ROWS, "observations"), (RULE, "incident type"), (SETTINGS, "settings")):
        plain = site / "file"
        plain.write_bytes((site / name).read_bytes())
        done = city_brain("check", plain)
        assert done.code == 0, done.out + done.err
        assert done.out.splitlines()[-1].startswith(f"{plain}: {what}")


def test_standard_input_is_observations(site: Path) -> None:
    done = city_brain("check", "-", "--site", site, given=(site / ROWS).read_bytes())
    assert (done.code, "-: observations, in order" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{site}/city.geojsn",), "wanted a file or folder to check, got none"),
        (("{site}/observations.jsonl", "--map", "{site}/map.geojson"), "wanted a city map, got no file"),
        (("{site}/incident-types",), "wanted a site folder with city.geojson, got none"),
        (("{site}/observations.jsonl", "--map", "{site}/city.geojson", "--site", "{site}"), "wanted one of --map and"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_checked_is_a_usage_error(site: Path, words: tuple[str, ...], said: str) -> None:
    done = city_brain("check", *(word.format(site=site) for word in words))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
