"""`init` makes a site that is whole: what its three sources say becomes two incidents, one of a type of its own."""

import json
from pathlib import Path

import pytest

from city_brain.site import Site
from tests.cli.processes import city_brain

FILES = ["city.geojson", "incident-types/gale.yaml", "observations.jsonl", "site.toml"]


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as `init` makes it."""
    folder = tmp_path_factory.mktemp("init") / "corner"
    done = city_brain("init", folder)
    assert (done.code, done.err) == (0, f"next: city-brain run {folder}\n")
    assert done.out.count(f"{folder}/") == len(FILES)
    return folder


def test_a_new_site_is_whole_and_the_same_each_time(corner: Path, tmp_path: Path) -> None:
    site = Site.open(corner)
    assert (site.name, len(site.ground.city.sources), "gale" in site.types.by_name) == ("corner", 3, True)
    done = city_brain("init", tmp_path / "corner", "--json")
    assert json.loads(done.out)["site"] == str(tmp_path / "corner")
    assert sorted(json.loads(done.out)["files"]) == FILES
    for name in FILES:
        assert (tmp_path / "corner" / name).read_bytes() == (corner / name).read_bytes()


def test_its_observations_become_a_stopped_vehicle_and_a_gale(corner: Path, tmp_path: Path) -> None:
    words = ("--map", corner / "city.geojson", "--types", corner / "incident-types", "--json")
    done = city_brain("fuse", corner / "observations.jsonl", *words, "--incidents", tmp_path / "incidents.jsonl")
    said = json.loads(done.out)
    assert said["announced"] == {"gale": 1, "stopped_vehicle": 1}
    assert said["counters"]["used"] == said["counters"]["read"] > 500
    assert said["counters"]["late"] == 0


def test_a_site_lies_where_it_is_said_and_is_called_so(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    assert city_brain("init", folder, "--at", "120.3826,36.0671", "--name", '青岛 "港"', "--zone", "UTC").code == 0
    site = Site.open(folder)
    frame = site.ground.city.frame
    assert (frame.lon0, frame.lat0) == pytest.approx((120.3826, 36.0671))
    assert (site.name, site.settings.time_zone) == ('青岛 "港"', "UTC")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--at", "36.0671,120.3826"), "did you mean 120.3826,36.0671?"),
        (("--at", "Qingdao"), "--at: wanted LON,LAT such as 117.1201,36.6512, got 'Qingdao'"),
        (("--at", "nan,36"), "--at: wanted LON within ±180 and LAT within ±85 degrees, got 'nan,36'"),
        (("--zone", "Asia/Jinan"), "wanted a name as the IANA has it (Asia/Shanghai), got 'Asia/Jinan'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    words: tuple[str, ...], answer: str, tmp_path: Path
) -> None:
    done = city_brain("init", tmp_path / "site", *words)
    assert done.code == 2
    assert answer in done.err
    assert not (tmp_path / "site").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "mine"):
        done = city_brain("init", folder)
        assert done.code == 2
        assert done.err == f"city-brain: {folder}: wanted a folder that is new or empty, got one that holds something\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
