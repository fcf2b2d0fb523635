"""`city-brain run SITE`: all stages in one process, from a recording or standard input, served over gRPC."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from city_brain.cli.common import Progress, check_input, counters_text, instants
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from city_brain.feeds.heartbeat import AreaReadiness, Heartbeat
    from city_brain.incidents.incident import Incident
    from city_brain.playback.tap import Tap
    from city_brain.runner import ClosedTick
    from city_brain.servers.feed.keeping import Keeper
    from city_brain.servers.publishing.intake import Intake
    from city_brain.servers.settings import HttpSettings, ListenSettings
    from city_brain.site import Site

FromOption = Annotated[
    str, typer.Option("--from", help="A recording; or -: standard input, cameras, and what is published.")
]
RecordOption = Annotated[
    Path | None, typer.Option("--record", metavar="FILE", help="Record what it reads and says, for bag run.")
]
BudgetOption = Annotated[
    int, typer.Option("--record-budget", min=0, help="Bytes that the recording may take; 0: no limit.")
]
StoreOption = Annotated[
    str | None, typer.Option("--store", help="Where changes are kept: sqlite:///FILE, a PostgreSQL URL, or memory.")
]

Listening = TypeVar("Listening", "ListenSettings", "HttpSettings")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(run)


def run(
    site_folder: Annotated[
        Path, typer.Argument(metavar="SITE", help="A folder with city.geojson, and site.toml if any.")
    ],
    observations: FromOption = "-",
    listen: Annotated[
        str | None, typer.Option("--listen", help="host:port of the feed; port 0 takes a free one.")
    ] = None,
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="Serve the page and the feed there, too.")
    ] = "",
    tls_certificate: Annotated[str, typer.Option("--tls-certificate", help="Certificate chain (PEM).")] = "",
    tls_key: Annotated[str, typer.Option("--tls-key", help="Private key (PEM).")] = "",
    tls_client_ca: Annotated[
        str, typer.Option("--tls-client-ca", help="Authorities whose certificates clients must show (PEM).")
    ] = "",
    policy: Annotated[str, typer.Option("--policy", help="Who may do what (TOML).")] = "",
    insecure_listen: Annotated[
        bool,
        typer.Option("--insecure-listen", help=r"Serve strangers as \[anonymous] of the policy says, TLS or not."),
    ] = False,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Log seconds per second; 0 as fast as it goes.")] = 0.0,
    exit_at_end: Annotated[bool, typer.Option("--exit-at-end", help="Stop when the input ends.")] = False,
    record: RecordOption = None,
    record_budget: BudgetOption = 0,
    store: StoreOption = None,
    language: Annotated[Literal["zh", "en", "both"], typer.Option("--language", help="Of what it prints.")] = "both",
    zone: Annotated[str, typer.Option("--zone", help="Time zone of printed times; default: that of site.toml.")] = "",
) -> None:
    """Run a city: fuse its observations and serve the incidents.

    Prints when an incident is announced, changes its level, ends, returns or is withdrawn, and what others warn of.
    Ctrl-C and SIGTERM tell watchers that it stops, and print the counters; exit code 130 and 0.
    """
    import asyncio

    from city_brain.cli.publishing.inputs import Inputs
    from city_brain.province.serving.reporting import reporting
    from city_brain.servers.city_service import CityService, paced
    from city_brain.site import Site

    site = Site.open(site_folder)
    given = {"address": listen, "tls_certificate": tls_certificate, "tls_key": tls_key, "tls_client_ca": tls_client_ca}
    runner, settings = site.runner(), site.settings
    feed = _listening(settings.feed, given | {"policy": policy, "insecure_listen": insecure_listen})
    teller = _Teller(site, ("zh", "en") if language == "both" else (language,), zone)
    keeping = _keeping(site, site_folder, store, live=observations == "-" or bool(settings.province.address))
    service = CityService(runner, feed, settings.limits, keeping, reporting(settings.province, site.name))
    inputs = Inputs(site, site_folder, runner, exit_at_end=exit_at_end)
    service.intake, service.http = inputs.intake, _listening(settings.http, {"address": http})
    service.http_started, service.zone = teller.http_started, zone or settings.time_zone
    with inputs.of(observations) as blocks, _tap(site, site_folder, record, record_budget) as tap:
        try:
            ticks = paced(tap.said(inputs.read(tap.read(blocks))) if tap else inputs.read(blocks), rate)
            asyncio.run(service.run(ticks, teller.started, teller.told, stay=not exit_at_end))
        finally:
            inputs.over.set()
            service.stop()
            teller.end(inputs.intake, counters_text(runner.counters, runner.held))
    check_input(inputs.reader.broken, runner.counters.used, observations, site_folder / "city.geojson")


def _tap(site: "Site", folder: Path, path: Path | None, budget: int) -> "AbstractContextManager[Tap | None]":
    """What records the run, if that is asked for."""
    if path is None:
        return nullcontext()
    from city_brain.pipeline.configuration import Change
    from city_brain.playback.tap import Tap
    from city_brain.site import written

    def complain(why: str) -> None:
        typer.echo(f"city-brain: the recording ends here, the city goes on: {why}", err=True)

    return Tap(path, site, Change(since_ms=0, configuration=written(folder)), complain, budget)


def _keeping(site: "Site", folder: Path, url: str | None, *, live: bool) -> "Callable[[str], Keeper] | None":
    """Opens the store of a site when the city starts; None where nothing is to be kept."""
    import msgspec

    from city_brain.servers.feed.keeping import Keeper
    from city_brain.store.store import Store

    settings = site.settings.store if url is None else msgspec.structs.replace(site.settings.store, url=url)
    where = settings.url_in(folder, live)
    if site.settings.province.address and not where:
        raise SettingsError(f"{folder}/site.toml, [province]: wanted a store to report from, got memory")
    return (lambda city: Keeper(Store.open(where), city, settings.history_ms)) if where else None


def _listening(settings: Listening, given: Mapping[str, str | bool | None]) -> Listening:
    """Where to listen and to whom: as the options say, else as the site does."""
    import msgspec

    return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value})


class _Teller:
    """Prints what becomes of alarms on standard output, and where it has got to on standard error."""

    def __init__(self, site: "Site", languages: tuple[Literal["zh", "en"], ...], zone: str) -> None:
        self._types, self._languages = site.types, languages
        self._instant = instants(zone or site.settings.time_zone)
        self._said: dict[str, tuple[str, str | None]] = {}
        self._ready: tuple[AreaReadiness, ...] = ()
        self.progress, self.serving = Progress("run"), False

    def http_started(self, address: str) -> None:
        """Says where it is served over HTTP."""
        typer.echo(f"and over HTTP on {address}, at /v1/incidents:watch; open / there in a browser", err=True)

    def started(self, address: str) -> None:
        """Says where the feed is served."""
        self.serving = True
        typer.echo(f"serving the incident feed on {address}; city-brain watch {address}", err=True)

    def end(self, intake: "Intake", counters: str) -> None:
        """Says what came over the doors, if anything, and where every row ended."""
        self.progress.done()
        accepted, duplicate, refused = intake.accepted, intake.duplicate, intake.refused
        if accepted or duplicate or refused:
            typer.echo(f"published: accepted {accepted}, duplicate {duplicate}, refused {refused}", err=True)
        if self.serving:
            typer.echo(counters, err=True)

    def told(self, closed: "ClosedTick", heartbeat: "Heartbeat") -> None:
        """Prints the incidents that this tick announces, raises, ends, lets return or withdraws, and what begins to be
        warned of or ceases.
        """
        from city_brain.servers.client.printing import incident_text, readiness_text

        for head, these, others in (("+", heartbeat.readiness, self._ready), ("-", self._ready, heartbeat.readiness)):
            for item in (item for item in these if item not in others):
                self.progress.done()
                typer.echo(f"{head} {readiness_text(item, self._instant)}", err=True)
        self._ready = heartbeat.readiness
        for incident in closed.record.incidents:
            if (news := self._news(incident)) is not None:
                self.progress.done()
                typer.echo(incident_text(incident, self._types, self._languages, self._instant) + news)
        live, silent = heartbeat.sources_live, heartbeat.sources_silent
        self.progress.show(f"log time {self._instant(heartbeat.log_time_ms)}, {live} sources live, {silent} silent")

    def _news(self, incident: "Incident") -> str | None:
        """What stands behind the text of a revision that is printed; None of one that is not."""
        before = self._said.get(incident.incident_id)
        if before is None and incident.state != "active":
            return None
        state, level = self._said[incident.incident_id] = incident.state, incident.level
        if before is None or before[0] != state:
            return ""
        return f"  level {before[1] or '-'} -> {level or '-'}" if before[1] != level else None
