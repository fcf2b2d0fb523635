"""The commands of deploy/README.md make certificates with which our server and client know each other."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running
from tests.house import ROOT

POLICY = """
[departments.fire]
certificates = ["dns:fire.city.example"]
permissions = ["feed.read", "feed.watch", "feed.explain"]
"""
SERVING = r"serving the incident feed on \S+:(\d+);"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder in which the commands were run, one after the other."""
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL absent: wanted the program openssl, got none")
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    block = re.search(r"### Certificates.*?```console\n(.*?)```", text, re.S)
    assert block is not None
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)", block[1], re.M):
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "server.crt: OK\nfire.crt: OK\n"
    return tmp_path


def test_the_commands_of_the_text_make_what_a_feed_needs(world: Fused, certificates: Path) -> None:
    """A department that shows its certificate is served; one without, or with one of another authority, is not."""
    (certificates / "policy.toml").write_text(POLICY)
    at = {name: certificates / name for name in ("authority.pem", "server.crt", "server.key", "fire.crt", "fire.key")}
    tls = ("--tls-certificate", at["server.crt"], "--tls-key", at["server.key"], "--tls-client-ca", at["authority.pem"])
    words = ("--from", world.observations, "--listen", "127.0.0.1:0", "--store", "memory", *tls)
    with running("run", world.folder, *words, "--policy", certificates / "policy.toml") as run:
        address = f"localhost:{run.wait_for(SERVING)}"
        known = ("--tls-ca", at["authority.pem"])
        mine = ("--tls-certificate", at["fire.crt"], "--tls-key", at["fire.key"])
        with running("watch", address, *known, *mine) as watch:
            watch.wait_for(r"~ .* sources live")
            assert watch.interrupted() == 130
        nobody = city_brain("watch", address, *known, "--wait", 3)
        assert nobody.code != 0
        assert run.interrupted() == 130
    for name in ("authority.key", "server.key", "fire.key"):
        assert (certificates / name).stat().st_mode & 0o077 == 0
