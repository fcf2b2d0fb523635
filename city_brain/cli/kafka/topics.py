"""`city-brain topics plan|apply|check`: the topics that a site needs, and those that its cluster has."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from city_brain.cli.common import FAILED, JsonOption
from city_brain.cli.kafka.common import SiteArgument, site_settings

if TYPE_CHECKING:
    from city_brain.kafka.admin import Difference

ShortenOption = Annotated[
    bool, typer.Option("--shorten-retention", help="Let topics keep records for less time; older ones go.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    topics = typer.Typer(no_args_is_help=True, help="Plan, make and check the topics of a site.")
    topics.command("plan")(plan_topics)
    topics.command("apply")(apply_topics)
    topics.command("check")(check_topics)
    app.add_typer(topics, name="topics")


def plan_topics(site: SiteArgument, shorten_retention: ShortenOption = False, as_json: JsonOption = False) -> None:
    """Print what apply would do; changes nothing."""
    from city_brain.kafka.admin import plan

    settings = site_settings(site)
    _tell(plan(settings.kafka, settings.partitions, shorten_retention=shorten_retention), as_json, "nothing to do")


def apply_topics(site: SiteArgument, shorten_retention: ShortenOption = False, as_json: JsonOption = False) -> None:
    """Create and alter topics until they are as the site wants; a second time it does nothing."""
    from city_brain.kafka.admin import apply

    settings = site_settings(site)
    _tell(apply(settings.kafka, settings.partitions, shorten_retention=shorten_retention), as_json, "nothing to do")


def check_topics(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Compare the topics with what the site wants; exit code 1 where any differs."""
    from city_brain.kafka.admin import plan

    settings = site_settings(site)
    found = plan(settings.kafka, settings.partitions)
    _tell(found, as_json, "all topics are as wanted")
    if found:
        raise typer.Exit(FAILED)


def _tell(found: list["Difference"], as_json: bool, nothing: str) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    for difference in found:
        typer.echo(f"{difference.action:6}  {difference}")
    if not found:
        typer.echo(nothing, err=True)
