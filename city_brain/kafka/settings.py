"""Where the brokers are, how they are spoken to, how wide the raw topics are, and how programs work on them."""

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from city_brain.errors import SettingsError
from city_brain.feeds.filters import Wanted, check_states_and_level
from city_brain.feeds.refusals import RefusedError

FilePath = Annotated[str, msgspec.Meta(extra_json_schema={"format": "path"})]
"""In a file of settings it begins at the folder of that file."""
Count = Annotated[int, msgspec.Meta(ge=1)]
Hours = Annotated[float, msgspec.Meta(gt=0.0)]
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0.0)]
_DEPARTMENT = re.compile(r"[a-z0-9-]{1,64}")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:,\s]+)):(?P<port>[0-9]{1,5})")


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files, PEM. An empty table `[kafka.tls]` trusts the authorities that this machine trusts."""

    ca_file: FilePath = ""
    """Whom to trust instead of the authorities of this machine."""
    certificate_file: FilePath = ""
    """Our certificate and its chain, where the brokers ask for one."""
    key_file: FilePath = ""
    """Its private key, without a password."""


class SaslSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name and a password; only over TLS."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str
    password_file: FilePath
    """A file whose first line is the password: settings are copied about, secrets are not."""


class RawPartitionCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Partitions of each raw topic. A source stays in one of them, so that its rows keep their order."""

    detections: Count = 4
    signals: Count = 1
    sensors: Count = 1
    reports: Count = 1


class DepartmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents are told in the topic of one department; what is left out does not restrict."""

    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    minimum_level: str = ""
    """This level and graver ones."""
    minimum_confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    areas: tuple[str, ...] = ()
    """Codes of areas on the city map."""

    def __post_init__(self) -> None:
        """Refuses states and levels that do not exist; a ValueError as below."""
        try:
            check_states_and_level(self.wanted)
        except RefusedError as wrong:
            raise ValueError(str(wrong).removeprefix("filter.")) from wrong

    @property
    def wanted(self) -> Wanted:
        """The same as readers of the feed ask for it."""
        return Wanted(
            types=self.types,
            states=self.states,
            minimum_level=self.minimum_level,
            minimum_confidence=self.minimum_confidence,
            area_codes=self.areas,
        )


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The brokers of a site. The default is a broker on this machine."""

    bootstrap_servers: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("127.0.0.1:9092",)
    """`host:port` or `[ipv6]:port` of some brokers; they name the others."""
    topic_prefix: Prefix = ""
    """Stands in front of each topic's name, so that several sites share brokers."""
    raw_partitions: RawPartitionCounts = RawPartitionCounts()
    replayed: bool = False
    """The raw topics hold a recording: records, marks too, keep the stamps that they bring. Never for live topics."""
    production: bool = False
    """The brokers serve a real city: a topic says so to whoever would play a recording to them."""
    replication_factor: Count = 1
    """Copies of each topic; from 3 on a record counts as written when two brokers have it."""
    retention_h: Hours = 24.0
    """For how long raw rows, observations and ticks can be read again; it must outlast the longest outage."""
    request_wait_s: Annotated[float, msgspec.Meta(ge=1.0)] = 30.0
    """Time for the answer to a request, and for a record to be acknowledged."""
    connect_wait_s: Annotated[float, msgspec.Meta(gt=0.0)] = 5.0
    """Time for the first broker to answer."""
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None
    departments: dict[str, DepartmentSettings] = {}
    """By name: whose topics get the incidents that are theirs."""
    insecure: bool = False
    """Speaks to other machines without TLS: whoever is on the way reads and changes what is said."""

    def __post_init__(self) -> None:
        """Refuses what would be said in the clear; a ValueError, to which the reader of site.toml adds the place."""
        for name in self.departments:
            if not _DEPARTMENT.fullmatch(name):
                raise ValueError(f"departments: wanted a name of 1 to 64 of a-z, 0-9 and -, got {name!r}")
        if self.production and self.replayed:
            raise ValueError("replayed: wanted false where production is true: a recording is no real city, got true")
        hosts = [_host(server) for server in self.bootstrap_servers]
        if self.sasl is not None and self.tls is None:
            raise ValueError("sasl: wanted TLS with it, since it sends a password, got none")
        away = [host for host in hosts if not _is_loopback(host)]
        if away and self.tls is None and not self.insecure:
            raise ValueError(
                f"bootstrap_servers: wanted TLS for another machine ({away[0]}), got none; "
                "give a table [kafka.tls], or allow it by name: insecure = true"
            )
        if self.tls is not None and bool(self.tls.certificate_file) != bool(self.tls.key_file):
            raise ValueError("tls: wanted certificate_file and key_file or neither, got one of them")

    def topic(self, name: str) -> str:
        """The full name of a topic of the table."""
        return self.topic_prefix + name

    def connection(self) -> dict[str, Any]:
        """How to connect: keywords that the clients of kafka-python and of aiokafka both take.

        Raises SettingsError where a file cannot be read.
        """
        keywords: dict[str, Any] = {"bootstrap_servers": list(self.bootstrap_servers)}
        if self.tls is not None:
            keywords |= {"security_protocol": "SSL", "ssl_context": _context(self.tls)}
        if self.sasl is not None:
            keywords |= {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": self.sasl.mechanism,
                "sasl_plain_username": self.sasl.username,
                "sasl_plain_password": _password(self.sasl.password_file),
            }
        return keywords


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the programs on Kafka work: when they save, when they are taken for dead, how much they hold."""

    marks_per_s: Annotated[float, msgspec.Meta(ge=1.0, le=50.0)] = 5.0
    """Marks that the clock writes into each raw partition."""
    flush_after_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """For how long ingest gathers rows before it sends them on."""
    snapshot_every_s: Seconds = 2.0
    """Between two snapshots of a partition, longer where they are dear; a restart computes so much again."""
    session_timeout_s: Seconds = 6.0
    """After so much silence the brokers give a worker's partitions to others."""
    heartbeat_s: Seconds = 0.5
    """Between signs of life; others notice a join or a leave at their next one."""
    stalled_after_s: Seconds = 45.0
    """A worker that has input and takes none for so long ends itself, to be started again."""
    fetch_bytes_max: Annotated[int, msgspec.Meta(ge=1 << 20)] = 4 << 20
    """What is fetched of a partition at a time; a larger record comes all the same, alone."""
    metrics_address: str = ""
    """`host:port` or `[ipv6]:port` where each program tells metrics and health over HTTP; port 0 takes a free one."""
    insecure_metrics: bool = False
    """Tells them to other machines too: whoever reaches the port reads them, and nothing hides them."""

    def __post_init__(self) -> None:
        """Refuses an address that other machines reach, unless that is asked for by name; a ValueError as above."""
        if not self.metrics_address:
            return
        host = _host(self.metrics_address, "metrics_address")
        if not _is_loopback(host) and not self.insecure_metrics:
            raise ValueError(
                f"metrics_address: wanted an address of this machine alone, since it has no TLS, got {host}; "
                "listen on 127.0.0.1, or allow it by name: insecure_metrics = true"
            )


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of an address that settings have let pass."""
    return _host(address, "address"), int(address.rpartition(":")[2])


def _host(server: str, key: str = "bootstrap_servers") -> str:
    found = _HOST_AND_PORT.fullmatch(server)
    if found is None:
        raise ValueError(f"{key}: wanted host:port or [ipv6]:port, got {server!r}")
    return found["ipv6"] or found["host"]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _context(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.certificate_file:
            context.load_cert_chain(tls.certificate_file, tls.key_file, lambda: "")
    except (OSError, ValueError) as wrong:  # an SSLError is an OSError
        raise SettingsError(f"kafka.tls: wanted PEM files that belong together, got {tls} ({wrong})") from wrong
    return context


def _password(path: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError(
            f"kafka.sasl.password_file: wanted a file that can be read, got {path} ({wrong})"
        ) from wrong
    if not lines or not lines[0]:
        raise SettingsError(f"kafka.sasl.password_file: wanted a password on the first line, got none in {path}")
    return lines[0]
