"""`city-brain store`: what is held, with an exit code; proofs that anybody can verify; compaction."""

import json
from pathlib import Path

import pytest

from city_brain.digest import verify_inclusion
from city_brain.store.store import Store
from tests.cli.processes import city_brain
from tests.store.filling import FEED_ID, digest, ticks

GIVEN = list(ticks(20, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in a file."""
    found = tmp_path / "feed.sqlite"
    with Store.open(f"sqlite:///{found}") as store:
        store.feed("370100").append(FEED_ID, GIVEN)
    return found


def test_check_prints_what_is_held_and_fails_where_it_is_damaged(path: Path) -> None:
    """Numbers and digest of each feed; exit code 1 and a sentence for what is wrong."""
    done = city_brain("store", "check", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("370100  changes 1 to 40, ")
    assert digest(GIVEN) in done.out
    data = path.read_bytes()
    at = data.index(b'"incident_id":')
    path.write_bytes(data[:at] + b'"incident_ID":' + data[at + 14 :])
    done = city_brain("store", "check", path, "--json")
    assert done.code == 1
    assert any("another hash" in what for what in json.loads(done.out)["damage"])


def test_a_proof_is_verified_without_us(path: Path) -> None:
    """What is printed is all that RFC 6962 needs."""
    incident_id = GIVEN[7].incidents[0].incident_id
    said = json.loads(city_brain("store", "proof", path, incident_id, "--revision", 1).out)
    nodes = [bytes.fromhex(node) for node in said["path"]]
    head = bytes.fromhex(said["head"])
    assert said["head"] == digest(GIVEN)
    assert verify_inclusion(said["line"].encode(), said["number"] - 1, said["size"], nodes, head)


def test_compact_says_what_is_gone(path: Path) -> None:
    """Hours of log time; a feed that is not there is a wrong word."""
    done = city_brain("store", "compact", path, "--history", 0.001)
    assert done.out == "370100  forgot 32 changes, the history begins with 33\n"
    assert city_brain("store", "compact", path, "--feed", "nowhere").code == 2
    done = city_brain("store", "check", path.with_name("nowhere.sqlite"))
    assert (done.code, path.with_name("nowhere.sqlite").exists()) == (2, False)
