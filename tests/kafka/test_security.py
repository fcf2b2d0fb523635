"""Brokers behind TLS: who is trusted, who may come in, and that a stranger or a wrong password is told as such."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.certificates import make_certificate
from tests.cli.processes import city_brain
from tests.kafka.broker import LOOPBACK, cluster, free_ports
from tests.kafka.sites import a_site
from tests.observations.lines import line

PASSWORD = "open sesame"  # noqa: S105 - opens nothing but the broker of this test


@dataclass(frozen=True)
class Secured:
    """Addresses of one broker by how they are guarded, and whom to trust."""

    password: str
    certificate: str
    ca_file: str
    ours: tuple[str, str]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, java: None) -> Iterator[Secured]:
    """A broker that asks for a password over TLS at one port and for a certificate at another."""
    from kafka import KafkaAdminClient
    from kafka.admin import UserScramCredentialUpsertion

    folder = tmp_path_factory.mktemp("secured")
    certificate, key = make_certificate(folder / "broker")
    ours = make_certificate(folder / "ours")
    (folder / "keystore.pem").write_text(Path(key).read_text("utf-8") + Path(certificate).read_text("utf-8"), "utf-8")
    ports = free_ports(2)
    plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_city="open sesame";'
    settings = {
        "listeners": f"{{ours}},PASSWORD://{LOOPBACK}:{ports[0]},CERTIFICATE://{LOOPBACK}:{ports[1]}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORD:SASL_SSL,CERTIFICATE:SSL",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.password.plain.sasl.jaas.config": plain,
        **{
            f"listener.name.password.scram-sha-{bits}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
            for bits in (256, 512)
        },
        "listener.name.certificate.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "keystore.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": ours[0],
    }
    with cluster(settings=settings) as own:
        with closing(KafkaAdminClient(bootstrap_servers=own.bootstrap_servers)) as admin:
            for bits in (256, 512):  # one request takes a name once
                city = UserScramCredentialUpsertion("city", f"SCRAM-SHA-{bits}", PASSWORD)
                assert admin.alter_user_scram_credentials([city]) == {"city": None}
        yield Secured(f"{LOOPBACK}:{ports[0]}", f"{LOOPBACK}:{ports[1]}", certificate, ours)


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
