"""`city-brain doctor SITE`: whether all is well on Kafka, a line for each thing looked at."""

from collections import Counter

import msgspec
import typer

from city_brain.cli.common import FAILED, JsonOption
from city_brain.cli.kafka.common import SiteArgument, site_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)


def doctor(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Examine brokers, topics, lag, silence, snapshots and dead letters; exit code 1 where something is bad."""
    from city_brain.kafka.doctor import examine

    settings = site_settings(site)
    found = []
    for finding in examine(settings.kafka, settings.partitions):
        found.append(finding)
        if not as_json:
            typer.echo(f"{finding.level:4}  {finding.place}: {finding.says}")
    if as_json:
        typer.echo(msgspec.json.encode(found))
    levels = Counter(finding.level for finding in found)
    typer.echo(f"{levels['ok']} ok, {levels['warn']} warn, {levels['bad']} bad", err=True)
    if levels["bad"]:
        raise typer.Exit(FAILED)
