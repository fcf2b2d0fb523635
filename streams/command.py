"""The command line of the programs: a site, a slot, how to log, and errors that say what to do."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from city_brain.errors import CityBrainError, SettingsError
from city_brain.kafka.control import announce, read_control
from city_brain.pipeline.configuration import Change
from city_brain.site import Site, SiteSettings, own_types, settings_of, written
from streams import logs
from streams.logs import LogForm

logger = logging.getLogger(logs.OURS)

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="A folder with city.geojson and site.toml.")]
NameOption = Annotated[str, typer.Option("--slot", help="A name for logs; programs of this kind share nothing.")]
LogOption = Annotated[LogForm, typer.Option("--log", help="Lines of JSON, or text for people.")]
MetricsOption = Annotated[
    str,
    typer.Option("--metrics", metavar="HOST:PORT", help="Where to tell metrics and health; else as site.toml says."),
]


def run_program(make: Callable[..., Any]) -> None:
    """Runs a program as its arguments ask; 1 where the site or the brokers are not as they must be."""

    def command(
        site: SiteArgument,
        slot: Annotated[
            str, typer.Option("--slot", help="This worker's name; a restart under it takes its place at once.")
        ] = "",
        accept_gap: Annotated[
            bool, typer.Option("--accept-gap", help="Begin with what the log still holds; what is gone stays unread.")
        ] = False,
        log: LogOption = LogForm.JSON,
        metrics: MetricsOption = "",
    ) -> None:
        lines = prepare(make.name, slot, log)  # type: ignore[attr-defined]
        opened = in_force(site, told_to(settings_of(site), metrics, lines))
        make(opened, slot, accept_gap).run()

    command.__doc__ = sys.modules["__main__"].__doc__
    told(lambda: typer.run(command))


def in_force(folder: Path, settings: SiteSettings) -> Site:
    """The city as the log of configurations says; one that has none yet begins with what the folder says."""
    entries = read_control(settings.kafka)
    if not entries or entries[0].change.since_ms:
        announce(settings.kafka, Change(since_ms=0, configuration=written(folder), reason="the city's first"))
        entries = read_control(settings.kafka)
    last = entries[-1].change.configuration
    city_map = folder / "city.geojson"
    if city_map.is_file() and (city_map.read_bytes(), own_types(folder)) != (last.city_map, last.types):
        logger.warning("%s says another map or other types than the log: city-brain control apply %s", folder, folder)
    return Site.of_changes([entry.record for entry in entries], settings)


def prepare(program: str, slot: str, form: LogForm) -> logs.Lines:
    """Logs to standard error; ends with 0 on SIGTERM, as long as the loop has no better way; uvloop, which must be
    chosen before any loop exists.
    """
    import uvloop

    signal.signal(signal.SIGTERM, _end)
    uvloop.install()
    return logs.begin(program, slot, form)


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def told_to(settings: SiteSettings, metrics_address: str, lines: logs.Lines) -> SiteSettings:
    """The settings with what the command line says instead; passwords in them are never logged."""
    lines.hide([settings.kafka.connection().get("sasl_plain_password", "")])
    if not metrics_address:
        return settings
    workers = msgspec.structs.asdict(settings.workers) | {"metrics_address": metrics_address}
    try:
        return msgspec.structs.replace(settings, workers=type(settings.workers)(**workers))
    except ValueError as wrong:
        raise SettingsError(f"--metrics: {wrong}") from wrong


async def until_stopped(program: Coroutine[Any, Any, None]) -> None:
    """Runs a program to its end, or until SIGTERM or Ctrl-C, which let it end well, with 0."""
    running = asyncio.ensure_future(program)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def told(run: Callable[[], object]) -> None:
    """Runs; an error of ours becomes one line and exit code 1."""
    try:
        run()
    except CityBrainError as wrong:
        if logging.getLogger().handlers:
            logger.critical("%s", wrong)
        else:
            print(f"city-brain: {wrong}", file=sys.stderr)
        raise SystemExit(1) from None
