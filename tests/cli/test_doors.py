"""`run` behind its doors and `watch` with a certificate, as processes."""

from pathlib import Path

import msgspec

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
