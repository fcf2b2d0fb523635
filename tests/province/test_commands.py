"""`city-brain province` and `instruct`, and `run` that reports: processes on loopback, their streams and exit codes."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Fused, world
from tests.cli.processes import city_brain, running

__all__ = ["world"]
PROVINCE = """
code = "370000"
name = "Shandong"
cities = {370100 = "Jinan", 370200 = "Qingdao"}

[feed]
address = "127.0.0.1:0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """That of a province."""
    made = tmp_path / "province"
    made.mkdir()
    (made / "province.toml").write_text(PROVINCE, encoding="utf-8")
    return made


def _rows(address: str) -> list[dict[str, Any]]:
    done = city_brain("province", "--status", address, "--json")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_city_that_runs_reports_and_is_told(world: Fused, folder: Path, tmp_path: Path) -> None:
    """All that `fuse` says of its recording arrives; the table says so, a query is counted, and `watch` follows."""
    site = tmp_path / "jinan"
    site.mkdir()
    shutil.copy(world.city_map, site)
    revisions = world.revisions()
    with running("province", folder) as province:
        address = province.wait_for(r"serving province Shandong on (\S+);")
        settings = f'[province]\naddress = "{address}"\ncity_code = "370100"\n'
        (site / "site.toml").write_text(settings, encoding="utf-8")
        with running("run", site, "--from", world.observations, "--listen", "127.0.0.1:0") as run:
            run.wait_for(r"linked; it has 0 changes")
            until = time.monotonic() + 120
            while (rows := _rows(address))[0]["compared"] != len(revisions) and time.monotonic() < until:
                time.sleep(0.5)
            first, second = rows
            assert (first["city"], first["linked"], first["changes"], first["lag"]) == (
                "370100",
                True,
                len(revisions),
                0,
            )
            assert first["agrees"] is True
            assert first["digest"] == first["city_digest"]
            assert (second["city"], second["linked"], second["agrees"], second["changes"]) == ("370200", False, None, 0)
            told = city_brain("province", "--status", address)
            assert f"equal to {len(revisions)}: {first['digest'][:12]}" in told.out
            assert "Qingdao       down" in told.out
            asked = city_brain("instruct", address, "370100", "--query", "--id", "count-1")
            assert (asked.code, "count-1  370100  done" in asked.out) == (0, True), asked.err
            assert f"{len({line['incident_id'] for line in revisions})} incidents" in asked.out
            nonsense = city_brain("instruct", address, "370100", "--query", "--type", "nonsense")
            refusal = nonsense.out.splitlines()
            assert (nonsense.code, len(refusal), refusal[0].endswith("  refused")) == (1, 2, True), nonsense.out
            assert refusal[1].startswith("  filter.types: unknown incident type 'nonsense'")
            assert "0 incidents" not in nonsense.out
            unknown = city_brain("instruct", address, "370100", "--follow-up", "nothing", "--json")
            assert (unknown.code, json.loads(unknown.out)["progress"]) == (1, "refused")
            assert run.interrupted() == 130
        announced = next(line for line in revisions if line["state"] == "active")
        with running("watch", address, "--state", "all", "--json") as watch:
            watch.wait_for(announced["incident_id"])
            incident = json.loads(watch.out[0])["incident"]
            assert incident["members"][0]["city"] == "370100"
            assert watch.interrupted() == 130
        province.process.terminate()
        assert province.ended() == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("province",), 2, "wanted FOLDER or --status ADDRESS"),
        (("province", "{folder}/none"), 2, "wanted the folder of a province with province.toml"),
        (("province", "--status", "127.0.0.1:1"), 1, "wanted an answer of a province"),
        (("instruct", "127.0.0.1:1", "370100"), 2, "wanted one of --follow-up, --query and --readiness"),
        (("instruct", "127.0.0.1:1", "370100", "--query", "--until", "noon"), 2, "--until: wanted a time"),
        (("instruct", "127.0.0.1:1", "370100", "--readiness", "II"), 2, "--readiness: wanted --until, the time"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = city_brain(*(word.format(folder=folder) for word in words))
    assert (done.code, said in done.err) == (code, True), done.err


def test_settings_are_read_strictly(folder: Path, world: Fused, tmp_path: Path) -> None:
    (folder / "province.toml").write_text(PROVINCE.replace("370100 =", '"37 01" ='), encoding="utf-8")
    done = city_brain("province", folder)
    assert (done.code, "province.toml: cities: wanted keys that are a text" in done.err) == (2, True), done.err
    site = tmp_path / "jinan"
    site.mkdir()
    shutil.copy(world.city_map, site)
    reported = '[province]\naddress = "127.0.0.1:1"\ncity_code = "370100"\n'
    (site / "site.toml").write_text(f'{reported}\n[store]\nurl = "memory"\n', encoding="utf-8")
    done = city_brain("run", site, "--from", world.observations, "--listen", "127.0.0.1:0")
    assert (done.code, "wanted a store to report from" in done.err) == (2, True), done.err
