"""Paths in province.toml and site.toml begin at their folder, from wherever a program is started; nothing is made
before the settings are sound."""

import re
import shutil
from pathlib import Path

import pytest

from city_brain.feeds.filters import Names
from city_brain.incidents.incident_type import load_incident_types
from city_brain.province.settings import read_province
from city_brain.servers.doors.policy import policy_of
from city_brain.site import read_settings
from tests.cli.conftest import Fused, world
from tests.cli.processes import city_brain, running
from tests.house import ROOT
from tests.province.test_doors import DESK, POLICY
from tests.servers.doors.guarded import Town

__all__ = ["world"]
PROVINCE = """
code = "370000"
name = "Shandong"
cities = {370100 = "Jinan"}

[feed]
address = "127.0.0.1:0"
tls_certificate = "server.crt"
tls_key = "server.key"
tls_client_ca = "clients.pem"
policy = "policy.toml"
"""
SITE = """
[feed]
tls_certificate = "keys/feed.crt"
policy = "/etc/policy.toml"
[http]
tls_key = "http.key"
[province]
address = "province.example:50560"
city_code = "370100"
tls_ca = "province.pem"
tls_certificate = "/etc/city.crt"
tls_key = "../city.key"
[kafka.tls]
ca_file = "ca.pem"
[kafka.sasl]
username = "city"
password_file = "password"
"""


def test_a_province_is_served_with_the_files_of_its_folder(tmp_path: Path) -> None:
    """As README has it, though the program is started elsewhere; a city's options begin where it is started."""
    town = Town(tmp_path)
    town.decide(POLICY)
    (tmp_path / "province.toml").write_text(PROVINCE, encoding="utf-8")
    certificate, key = town.client(DESK).write(tmp_path / DESK)
    with running("province", tmp_path) as province:
        address = province.wait_for(r"serving province Shandong on (\S+);")
        tls = ("--tls-ca", town.authorities, "--tls-certificate", certificate, "--tls-key", key)
        told = city_brain("province", "--status", address, *tls)
        assert (told.code, "370100" in told.out) == (0, True), told.err


def test_the_document_shows_a_policy_a_city_and_a_province_that_can_be_read(tmp_path: Path) -> None:
    """The tables that deploy/README.md shows of the feed, and the cameras of models/README.md."""
    feed = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8").split("\n## The feed\n")[1]
    policy, city, province = re.findall(r"```toml\n(.*?)```", feed, re.DOTALL)
    names = Names(types=tuple(load_incident_types().by_name))
    fire = policy_of(policy.encode(), "policy.toml", names).departments["fire"]
    assert fire.scope.types == ("crash", "fire")
    (tmp_path / "site.toml").write_text(city, encoding="utf-8")
    assert read_settings(tmp_path / "site.toml").province.city_code == "370100"
    (tmp_path / "province.toml").write_text(province, encoding="utf-8")
    assert sorted(read_province(tmp_path).cities) == ["370100", "370200"]
    cameras = (ROOT / "models" / "README.md").read_text(encoding="utf-8").split("```toml\n[video]")[1].split("```")[0]
    (tmp_path / "site.toml").write_text("[video]" + cameras, encoding="utf-8")
    assert list(read_settings(tmp_path / "site.toml").video.cameras) == ["cam-1"]


@pytest.mark.parametrize("missing", ["server.crt", "server.key", "clients.pem", "policy.toml"])
def test_a_province_makes_nothing_before_its_settings_are_sound(tmp_path: Path, missing: str) -> None:
    """The message says the whole path that was looked at."""
    town = Town(tmp_path)
    town.decide(POLICY)
    (tmp_path / "province.toml").write_text(PROVINCE, encoding="utf-8")
    (tmp_path / missing).unlink()
    before = sorted(tmp_path.iterdir())
    done = city_brain("province", tmp_path.name, folder=tmp_path.parent)
    assert (done.code, f"wanted a file that can be read, got {tmp_path / missing} (" in done.err) == (2, True), done.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[feed]\ntls_certificate = "a.crt"\ntls_key = "a.key"\n', "TLS certificate: wanted a file"),
        ('[feed]\npolicy = "policy.toml"\n', "policy: wanted a file"),
        ('[http]\naddress = "127.0.0.1:0"\ntls_certificate = "a.crt"\ntls_key = "a.key"\n', "TLS certificate: wanted"),
        ('[province]\naddress = "a:1"\ncity_code = "1"\ntls_ca = "a.crt"\n', "province.tls_ca: wanted a file"),
    ],
)
def test_a_city_makes_nothing_before_its_settings_are_sound(
    world: Fused, tmp_path: Path, table: str, said: str
) -> None:
    shutil.copy(world.city_map, tmp_path)
    (tmp_path / "site.toml").write_text(table, encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    done = city_brain("run", tmp_path, "--from", "-", "--listen", "127.0.0.1:0")
    assert (done.code, said in done.err, f"got {tmp_path}/" in done.err) == (2, True, True), done.err
    assert sorted(tmp_path.iterdir()) == before


def test_every_path_in_a_file_begins_at_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder is named from where the program is; absolute ones stay, and "" names no file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "site.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "site" / "province.toml").write_text(PROVINCE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    site, here = read_settings(Path("site") / "site.toml"), str(tmp_path / "site")
    assert (site.feed.tls_certificate, site.feed.tls_key) == (f"{here}/keys/feed.crt", "")
    assert (site.feed.policy, site.http.tls_key) == ("/etc/policy.toml", f"{here}/http.key")
    report = site.province
    assert (report.tls_ca, report.tls_certificate) == (f"{here}/province.pem", "/etc/city.crt")
    assert report.tls_key == f"{here}/../city.key"
    assert site.kafka.tls is not None
    assert site.kafka.sasl is not None
    assert (site.kafka.tls.ca_file, site.kafka.sasl.password_file) == (f"{here}/ca.pem", f"{here}/password")
    feed = read_province(Path("site")).feed
    assert (feed.tls_certificate, feed.policy) == (f"{here}/server.crt", f"{here}/policy.toml")
