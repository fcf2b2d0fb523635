"""`run` behind its doors and `watch` with a certificate, as processes."""

import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from city_brain.servers.doors.entrance import POLL_S
from tests.certificates import new_key
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running
from tests.servers.doors.guarded import FIRE, Town

SERVING = r"serving the incident feed on (\S+);"


def _options(town: Town) -> list[str]:
    listen = town.listen
    given = {
        "--listen": listen.address,
        "--tls-certificate": listen.tls_certificate,
        "--tls-key": listen.tls_key,
        "--tls-client-ca": listen.tls_client_ca,
        "--policy": listen.policy,
    }
    return [word for pair in given.items() for word in pair]


def test_a_department_is_told_what_it_may_know_and_strangers_nothing(world: Fused, tmp_path: Path) -> None:
    """A scope of one type, asked for all; a certificate of nobody, none, and half of one."""
    kind = next(line["type"] for line in world.revisions() if line["detected_ms"])
    town = Town(tmp_path)
    town.decide(
        f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = ["feed.watch"]\ntypes = ["{kind}"]\n'
    )
    certificate, key = town.client(FIRE).write(tmp_path / "fire")
    stranger = town.client("x.example").write(tmp_path / "stranger")
    trust = ("--tls-ca", town.authorities)
    with running("run", world.folder, "--from", world.observations, *_options(town)) as run:
        address = run.wait_for(SERVING)
        last = [line for line in world.revisions() if line["detected_ms"]][-1]
        run.wait_for(str(last["number"]))
        words = ("watch", address, *trust, "--wait", 5)
        with running(*words, "--json", "--state", "all", "--tls-certificate", certificate, "--tls-key", key) as watch:
            watch.wait_for("~ .* sources live")
            assert watch.interrupted() == 130
            told = {msgspec.json.decode(line)["incident"]["type"] for line in watch.out}
            assert told == {kind} != {line["type"] for line in world.revisions()}
        done = city_brain(*words, "--tls-certificate", stranger[0], "--tls-key", stranger[1])
        assert (done.code, "wanted one that the policy names" in done.err) == (1, True)
        done = city_brain(*words)
        assert (done.code, "wanted an incident feed" in done.err) == (1, True)
        done = city_brain(*words, "--tls-certificate", certificate)
        assert (done.code, "wanted a certificate and its key, got no key" in done.err) == (2, True)
        assert run.interrupted() == 130


def test_a_policy_with_a_mistake_is_wrong_usage(world: Fused, tmp_path: Path) -> None:
    """Said with its place, before anything is read."""
    town = Town(tmp_path)
    town.decide(f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = ["feed.raed"]\n')
    done = city_brain("run", world.folder, "--from", world.observations, *_options(town))
    assert done.code == 2
    assert "departments.fire.permissions: wanted one of" in done.err
    assert "did you mean 'feed.read'?" in done.err


def test_a_file_that_both_ports_read_is_complained_of_once(world: Fused, tmp_path: Path) -> None:
    """A policy and a key that go wrong while gRPC and HTTP are served: a line for each, until it was well again."""
    town = Town(tmp_path)
    http = ("--http", "127.0.0.1:0")
    with running("run", world.folder, "--from", world.observations, *_options(town), *http) as run:
        run.wait_for("over HTTP on")
        good = (tmp_path / "policy.toml").read_text(encoding="utf-8")
        for _ in range(2):
            before = len(run.err)
            town.decide("[departments.fire]")
            while not _with("the policy before it stays in force", run.err[before:]):
                time.sleep(0.05)
            time.sleep(3 * POLL_S)
            assert len(_with("the policy before it stays in force", run.err[before:])) == 1
            town.decide(good)
            time.sleep(3 * POLL_S)
        (tmp_path / "server.key").write_bytes(
            new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        run.wait_for("the certificate before it stays in use")
        time.sleep(3 * POLL_S)
        assert len(_with("the certificate before it stays in use", run.err)) == 1
        assert run.interrupted() == 130


def _with(words: str, lines: list[str]) -> list[str]:
    return [line for line in lines if words in line]
