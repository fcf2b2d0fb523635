"""A broker behind TLS for tests: at one port it asks for a password, at another for a certificate."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import make_certificate
from tests.kafka.broker import LOOPBACK, cluster, free_ports

PASSWORD = "open sesame"  # noqa: S105 - opens nothing but the broker of this test


@dataclass(frozen=True)
class Secured:
    """Addresses of one broker by how they are guarded, and whom to trust."""

    password: str
    certificate: str
    ca_file: str
    ours: tuple[str, str]


@contextmanager
def secured_broker(folder: Path) -> Iterator[Secured]:
    """A broker that asks for a password over TLS at one port and for a certificate at another."""
    from kafka import KafkaAdminClient
    from kafka.admin import UserScramCredentialUpsertion

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
