"""`city-brain send TO FILE`: a recording, or lines from standard input, to a running city or into a site on Kafka."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from city_brain.cli.common import DATA_LOST, JsonOption
from city_brain.cli.kafka.common import site_settings
from city_brain.cli.publishing.telling import Published, Teller
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.observations.json_twin import Parsed
    from city_brain.servers.client.feed_reader import Endpoint
    from city_brain.servers.client.publishing.publisher import Link, Request
    from city_brain.servers.publishing.intake import Taken

_URL: Final = re.compile(r"https?://[^/\s]+(?:/v1/observations|/)?")
_ADDRESS: Final = re.compile(r"unix:.+|(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):[0-9]{1,5}")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(send)


def send(
    to: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="A running city: host:port, http://host:port; or the folder of a site on Kafka."
        ),
    ],
    observations: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON lines, plain or Zstandard; - reads standard input.")
    ],
    rows_per_record: Annotated[
        int,
        typer.Option(
            "--rows-per-record",
            min=1,
            max=1 << 16,
            help="Rows of an envelope, or of a request, at most; 1 sends single lines.",
        ),
    ] = 1024,
    now: Annotated[
        bool,
        typer.Option(
            "--as-now",
            help="Move all times so that the recording begins now, and send it at its pace; lines without one are now.",
        ),
    ] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS to host:port.")] = False,
    tls_ca: Annotated[str, typer.Option("--tls-ca", help="Certificates to trust (PEM).")] = "",
    tls_certificate: Annotated[
        str, typer.Option("--tls-certificate", help="Certificate chain to show (PEM); speaks TLS.")
    ] = "",
    tls_key: Annotated[str, typer.Option("--tls-key", help="Its private key (PEM).")] = "",
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.1, help="Seconds to wait for the first answer; then exit 1.")
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Send observations to a running city, or to a site's raw topics.

    Lines that are refused are told with field, wanted and got, and the exit code is then 3. Where the link to a city
    breaks, what was not answered is sent again; what it had taken is counted as duplicate, and nothing is fused twice.
    """
    from city_brain.servers.client.feed_reader import Endpoint

    endpoint = Endpoint(to, tls, tls_ca, tls_certificate, tls_key)
    link = _link(to, endpoint)
    if link is None and endpoint.speaks_tls:
        raise SettingsError("--tls…: wanted host:port or https:// with it; for Kafka site.toml says it, got a folder")
    teller = Teller()
    blocks = _blocks(observations, now=now)
    if link is None:
        broken, rejected = _into_topics(to, blocks, rows_per_record, teller, as_json=as_json)
    else:
        broken, rejected = _to_city(link, blocks, rows_per_record, teller, wait_s, as_json=as_json)
    if broken is not None:
        typer.echo(f"city-brain: {broken}", err=True)
    if broken is not None or rejected:
        raise typer.Exit(DATA_LOST)


def _link(to: str, endpoint: "Endpoint") -> "Link | None":
    """How to reach a running city; None for a site on Kafka."""
    if _URL.fullmatch(to):
        from city_brain.servers.client.publishing.http_link import HttpLink

        return HttpLink(to, endpoint)
    if _ADDRESS.fullmatch(to) and not Path(to).is_dir():
        from city_brain.servers.client.publishing.grpc_link import GrpcLink

        return GrpcLink(endpoint)
    return None


def _blocks(observations: str, *, now: bool) -> "Iterable[Parsed]":
    from city_brain.sources.recording import STANDARD_INPUT, read_blocks

    blocks = read_blocks(observations, live=observations == STANDARD_INPUT)
    if not now:
        return blocks
    import time

    from city_brain.cli.publishing.pacing import as_now
    from city_brain.observations.json_twin.dating import dated

    return as_now(dated(block, round(1000.0 * time.time())) for block in blocks)


def _into_topics(
    site: str, blocks: "Iterable[Parsed]", rows_per_record: int, teller: Teller, *, as_json: bool
) -> tuple[RecordingError | None, int]:
    """Sends to Kafka; why the input broke off, if it did, and how many lines were rejected."""
    settings = site_settings(Path(site)).kafka
    from city_brain.kafka.sending import Sender

    broken: RecordingError | None = None
    sender = Sender(settings, rows_per_record)
    try:
        with sender:
            try:
                for parsed in blocks:
                    teller.tell(sender.send(parsed))
                    teller.show(sender.sent)
            except RecordingError as wrong:
                broken = wrong
    finally:
        teller.end(sender.sent, as_json=as_json)
    return broken, sum(sender.sent.rejected.values())


def _to_city(
    link: "Link", blocks: "Iterable[Parsed]", rows: int, teller: Teller, wait_s: float, *, as_json: bool
) -> tuple[RecordingError | None, int]:
    """The same to a running city."""
    from msgspec.structs import replace

    from city_brain.cli.publishing.batches import requests_of
    from city_brain.servers.client.publishing.grpc_link import GrpcLink
    from city_brain.servers.client.publishing.publisher import Publisher

    sent = Published()

    def read(parsed: "Parsed") -> None:
        sent.read(parsed)
        teller.tell(parsed.rejected)

    def answered(request: "Request", taken: "Taken") -> None:
        sent.answered(taken, warning=request.is_warning)
        teller.refused([replace(one, line=request.lines[one.line - 1]) for one in taken.refusals], taken.refused)
        teller.show(sent)

    publisher = Publisher(link, wait_s, teller.broke)
    envelopes = isinstance(link, GrpcLink) and rows > 1
    try:
        publisher.run(requests_of(blocks, rows, read, envelopes=envelopes), answered)
    finally:
        teller.end(sent, duplicate=sent.duplicate, as_json=as_json)
    return publisher.broken, sum(sent.rejected.values())
