"""`city-brain run SITE`: all stages in one process, from a recording or standard input, served over gRPC."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city_brain.cli.common import DATA_LOST, Progress, counters_text
from city_brain.feeds.heartbeat import Heartbeat
from city_brain.incidents.explain import headline
from city_brain.replay.stream import StreamReader
from city_brain.runner import ClosedTick
from city_brain.servers.city_service import CityService, paced
from city_brain.site import Site
from city_brain.sources.recording import read_blocks


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(run)


def run(
    site_folder: Annotated[
        Path, typer.Argument(metavar="SITE", help="A folder with city.geojson, and site.toml if any.")
    ],
    observations: Annotated[str, typer.Option("--from", help="A recording, or - for standard input.")] = "-",
    listen: Annotated[
        str | None, typer.Option("--listen", help="host:port of the feed; port 0 takes a free one.")
    ] = None,
    tls_certificate: Annotated[str, typer.Option("--tls-certificate", help="Certificate chain (PEM).")] = "",
    tls_key: Annotated[str, typer.Option("--tls-key", help="Private key (PEM).")] = "",
    insecure_listen: Annotated[
        bool,
        typer.Option("--insecure-listen", help="Serve other machines without TLS: whoever reaches the port reads it."),
    ] = False,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="Seconds of log time per second; 0 as fast as it goes.")
    ] = 0.0,
    exit_at_end: Annotated[bool, typer.Option("--exit-at-end", help="Stop when the input ends.")] = False,
) -> None:
    """Run a city: fuse its observations and serve the incidents."""
    site = Site.open(site_folder)
    feed = msgspec.structs.replace(
        site.settings.feed, insecure_listen=insecure_listen or site.settings.feed.insecure_listen
    )
    changes = {"address": listen, "tls_certificate": tls_certificate, "tls_key": tls_key}
    feed = msgspec.structs.replace(feed, **{name: value for name, value in changes.items() if value})
    runner = site.runner()
    teller = _Teller(site)
    service = CityService(runner, feed, site.settings.limits)
    block_rows = 64 if observations == "-" else 4096
    reader = StreamReader(runner)
    ticks = paced(reader.read(read_blocks(observations, block_rows)), rate)
    try:
        asyncio.run(service.run(ticks, teller.started, teller.told, stay=not exit_at_end))
    finally:
        service.stop()
        teller.progress.done()
        typer.echo(counters_text(runner.counters, runner.held), err=True)
    if reader.broken:
        typer.echo(f"city-brain: {reader.broken}", err=True)
        raise typer.Exit(DATA_LOST)


class _Teller:
    """Prints announced incidents on standard output, and where it has got to on standard error."""

    def __init__(self, site: Site) -> None:
        self._types = site.types
        self.progress = Progress("run")

    def started(self, address: str) -> None:
        """Says where the feed is served."""
        typer.echo(f"serving the incident feed on {address}; city-brain watch {address}", err=True)

    def told(self, closed: ClosedTick, heartbeat: Heartbeat) -> None:
        """Prints the incidents that this tick announces or ends."""
        for incident in closed.record.incidents:
            if incident.detected_ms == closed.record.due_ms or incident.ended_ms == closed.record.due_ms:
                self.progress.done()
                text = headline(incident, self._types[incident.type])
                typer.echo(f"{incident.number} {incident.state:9} {incident.confidence:.2f} {text.zh} | {text.en}")
        live, silent = heartbeat.sources_live, heartbeat.sources_silent
        self.progress.show(f"log time {heartbeat.log_time_ms} ms, {live} sources live, {silent} silent")
