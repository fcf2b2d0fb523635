"""`city-brain control`: what is announced, what is refused before it gets into the log, and the way back."""

from pathlib import Path

import orjson
import pytest

from city_brain.city.loading import city_to_geojson
from city_brain.kafka.control import announce, read_control
from city_brain.pipeline.configuration import LEAD_MS, Change, Configuration
from city_brain.site import settings_of, written
from streams.command import in_force
from tests.cli.processes import city_brain
from tests.distributed import kit
from tests.distributed.test_configurations import eager
from tests.kafka.sites import a_site, applied, kafka_settings


@pytest.fixture
def site(kafka: str, prefix: str, tmp_path: Path) -> Path:
    """A city with topics and a map that has not begun yet."""
    folder = a_site(tmp_path / "city", kafka, prefix)
    (folder / "city.geojson").write_bytes(city_to_geojson(kit.city()[0].city))
    applied(folder)
    return folder


def announced(site: Path) -> list[str]:
    return [entry.version for entry in read_control(kafka_settings(site))]


def without_a_camera(site: Path) -> bytes:
    drawn = orjson.loads((site / "city.geojson").read_bytes())
    gone = next(at for at, each in enumerate(drawn["features"]) if each["properties"]["kind"] == "camera")
    del drawn["features"][gone]
    return orjson.dumps(drawn)


def test_a_change_is_told_announced_and_taken_back(site: Path, tmp_path: Path) -> None:
    first = city_brain("control", "apply", site)
    assert (first.code, first.out) == (0, "the city begins with it\n")
    again = city_brain("control", "apply", site)
    assert again.code == 0 and "nothing to do" in again.err and len(announced(site)) == 1
    whole = (site / "city.geojson").read_bytes()
    (site / "city.geojson").write_bytes(without_a_camera(site))
    (site / "incident-types").mkdir()
    (site / "incident-types" / "fire.yaml").write_bytes(eager("fire"))
    would = city_brain("control", "apply", site, "--dry-run")
    assert would.code == 0 and len(announced(site)) == 1
    done = city_brain("control", "apply", site, "--reason", "roadworks")
    assert done.out == would.out and "camera removed: cam-" in done.out and "incident type added: fire.yaml" in done.out
    assert len(announced(site)) == 2 and f"{announced(site)[1][:8]} holds from " in done.err
    back = city_brain("control", "rollback", site)
    assert back.code == 0 and "camera added: cam-" in back.out
    versions = announced(site)
    assert versions == [versions[0], versions[1], versions[0]]
    rows = [orjson.loads(line) for line in city_brain("control", "show", site, "--json").out.splitlines()]
    assert [row["version"] for row in rows] == versions and rows[0]["since_ms"] == 0
    assert [row["reason"] for row in rows] == ["the city's first", "roadworks", f"back to {versions[0][:8]}"]
    assert all(row["since_ms"] == row["announced_ms"] + LEAD_MS for row in rows[1:])
    told = city_brain("control", "show", site)
    assert [line[:8] for line in told.out.splitlines()] == [version[:8] for version in versions]
    out = tmp_path / "old"
    assert city_brain("control", "show", site, versions[1][:8], "--out", out).code == 0
    assert (out / "incident-types" / "fire.yaml").read_bytes() == eager("fire")
    assert (out / "city.geojson").read_bytes() == (site / "city.geojson").read_bytes() != whole


def test_what_is_wrong_never_gets_into_the_log(site: Path) -> None:
    assert city_brain("control", "apply", site).code == 0
    whole = (site / "city.geojson").read_bytes()
    (site / "city.geojson").write_bytes(whole.replace(b'"Polygon"', b'"Point"', 1))
    wrong_map = city_brain("control", "apply", site)
    assert wrong_map.code == 1 and "wanted" in wrong_map.err
    moved = orjson.loads(whole)
    moved["origin"] = [moved["origin"][0] + 0.01, moved["origin"][1]]
    (site / "city.geojson").write_bytes(orjson.dumps(moved))
    elsewhere = city_brain("control", "apply", site)
    assert elsewhere.code == 1 and "which a running city keeps" in elsewhere.err
    (site / "city.geojson").write_bytes(whole)
    (site / "incident-types").mkdir()
    (site / "incident-types" / "fire.yaml").write_bytes(b"type: fire\n")
    wrong_type = city_brain("control", "apply", site)
    assert wrong_type.code == 1 and "fire.yaml" in wrong_type.err
    assert len(announced(site)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("apply", "--at", "2020-01-01T00:00:00Z"), "--at: wanted a time to come"),
        (("apply", "--at", "tomorrow"), "--at: wanted a time such as"),
        (("rollback",), "wanted an earlier version, got none"),
        (("rollback", "zzzz"), "got 'zzzz', which 0 versions begin with"),
        (("show", "--out", "x"), "--out: wanted a version"),
    ],
)
def test_what_is_asked_wrongly_is_said(site: Path, arguments: tuple[str, ...], said: str) -> None:
    assert city_brain("control", "apply", site).code == 0
    (site / "city.geojson").write_bytes(without_a_camera(site))
    command, *rest = arguments
    done = city_brain("control", command, site, *rest)
    assert done.code == 2 and said in done.err


def test_a_plan_is_off_once_another_word_is_said(site: Path) -> None:
    assert city_brain("control", "apply", site).code == 0
    whole = (site / "city.geojson").read_bytes()
    (site / "city.geojson").write_bytes(without_a_camera(site))
    planned = city_brain("control", "apply", site, "--at", "2100-01-01T00:00:00+08:00")
    assert planned.code == 0 and "holds from 2100-01-01T00:00:00+08:00" in planned.err
    (site / "city.geojson").write_bytes(whole)
    instead = city_brain("control", "apply", site)
    assert f"{announced(site)[1][:8]}, planned for 2100-01-01T00:00:00+08:00, is off" in instead.err


def test_a_city_begins_with_the_first_word_of_its_programs(site: Path) -> None:
    """Whatever else was announced before they started, and however many of them speak at once."""
    settings = kafka_settings(site)
    other = Configuration(city_map=without_a_camera(site), origin=written(site).origin)
    for since_ms, configuration in ((1, other), (0, written(site)), (0, other)):
        announce(settings, Change(since_ms=since_ms, configuration=configuration))
    assert announced(site) == [written(site).version, other.version]
    opened = in_force(site, settings_of(site))
    assert opened.configurations.first.version == written(site).version
    assert opened.configurations.usable(other.version).versions != opened.configurations.first.versions
    assert len(announced(site)) == 2
