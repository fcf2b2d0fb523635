"""Brokers behind TLS: who is trusted, who may come in, and that a stranger or a wrong password is told as such."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.cli.processes import city_brain
from tests.kafka.secured import PASSWORD, Secured, secured_broker
from tests.kafka.sites import a_site
from tests.observations.lines import line


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, java: None) -> Iterator[Secured]:
    """One broker for all tests of this file."""
    with secured_broker(tmp_path_factory.mktemp("secured")) as started:
        yield started


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_name_and_a_password_open_the_door(tmp_path: Path, secured: Secured, prefix: str, mechanism: str) -> None:
    """Topics are made and rows sent over TLS with a password; a wrong one is told and opens nothing."""
    secret = tmp_path / "secret"
    lines = (
        "[kafka.tls]", f'ca_file = "{secured.ca_file}"',
        "[kafka.sasl]", f'mechanism = "{mechanism}"', 'username = "city"', f'password_file = "{secret}"',
    )  # fmt: skip
    site = a_site(tmp_path / "site", secured.password, prefix, "connect_wait_s = 3.0", *lines)
    secret.write_text("swordfish\n", encoding="utf-8")
    refused = city_brain("topics", "apply", site)
    assert (refused.code, refused.out) == (1, "")
    assert f"kafka {secured.password}: wanted a broker that answers, got: " in refused.err
    # Brokers hang up on a wrong password, and what they say of it does not always get through.
    assert "uthentication" in refused.err or "socket disconnected" in refused.err
    assert "swordfish" not in refused.err
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    assert city_brain("topics", "apply", site).code == 0
    sent = city_brain("send", site, "-", given=orjson.dumps(line("sensor", "s")))
    assert (sent.code, sent.err) == (0, "sent 1 rows in 1 records; 0 lines rejected\n")


def test_a_certificate_of_ours_opens_the_door(tmp_path: Path, secured: Secured, prefix: str) -> None:
    """With our certificate the broker answers; without one, or with one that it does not know, it does not."""
    trusted = ("connect_wait_s = 3.0", "[kafka.tls]", f'ca_file = "{secured.ca_file}"')
    nameless = a_site(tmp_path / "nameless", secured.certificate, prefix, *trusted)
    assert city_brain("topics", "plan", nameless).code == 1
    ours = (f'certificate_file = "{secured.ours[0]}"', f'key_file = "{secured.ours[1]}"')
    known = a_site(tmp_path / "known", secured.certificate, prefix, *trusted, *ours)
    assert city_brain("topics", "plan", known).code == 0


def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path, secured: Secured, prefix: str) -> None:
    """Without the authority that signed the broker's certificate nothing is said to it."""
    site = a_site(tmp_path, secured.certificate, prefix, "connect_wait_s = 3.0", "[kafka.tls]")
    done = city_brain("topics", "plan", site)
    assert (done.code, done.out) == (1, "")
    assert f"kafka {secured.certificate}: wanted a broker that answers, got: " in done.err
    assert "certificate verify failed" in done.err
