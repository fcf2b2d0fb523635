"""The commands on a store: what it holds, proofs of it, and what it need not hold any longer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import FAILED, JsonOption, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.store.feed import Feed
    from city_brain.store.store import Store

HOUR_MS: Final = 3_600_000

AddressArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="A SQLite file, or postgresql+psycopg://user@host/database.")
]
FeedOption = Annotated[str, typer.Option("--feed", help="Name of the feed, where the store has several.")]


def check(address: AddressArgument, as_json: JsonOption = False) -> None:
    """Read everything and compare it with its seals, hashes and heads; exit code 1 where something is damaged."""
    with _open(address) as store:
        found = store.check()
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        for feed in found.feeds:
            numbers = f"changes {feed.first_number} to {feed.last_number}"
            typer.echo(f"{printable(feed.name)}  {numbers}, {plural(feed.incidents, 'incident')}, digest {feed.digest}")
        for what in found.damage:
            typer.echo(f"damaged: {printable(what)}", err=True)
    if found.damage:
        raise typer.Exit(FAILED)


def proof(
    address: AddressArgument,
    incident: Annotated[str, typer.Argument(help="Id or number of the incident.")],
    revision: Annotated[int | None, typer.Option("--revision", min=1, help="Default: the newest.")] = None,
    feed: FeedOption = "",
) -> None:
    """Print a proof as JSON (RFC 6962) that a revision is among the changes under the head of its feed."""
    with _open(address) as store:
        chosen = _feed(store, feed)
        found = chosen.proof(_id_of(chosen, incident), revision)
    typer.echo(
        msgspec.json.encode(
            {
                "number": found.number,
                "size": found.size,
                "line": found.line.decode(),
                "path": [node.hex() for node in found.path],
                "head": found.head.hex(),
            }
        )
    )


def _id_of(feed: "Feed", said: str) -> str:
    """The id that is meant by an id, or by a number that one incident of the feed has."""
    from city_brain.feeds.scopes.numbers import the_one

    if feed.newest([said]):
        return said
    numbered = the_one((held.incident for held in feed.held()), said)
    return numbered.incident_id if numbered else said


def compact(
    address: AddressArgument,
    history_h: Annotated[float, typer.Option("--history", min=0, help="Hours of log time to keep.")] = 168.0,
    feed: FeedOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forget the changes that are older than the history, but none that a registered subscriber still waits for."""
    with _open(address) as store:
        chosen = _feed(store, feed)
        done = chosen.compact(round(history_h * HOUR_MS))
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    kept = f"; more is kept for {printable(done.kept_for)}" if done.kept_for else ""
    forgotten = plural(done.forgotten, "change")
    typer.echo(f"{printable(chosen.name)}  forgot {forgotten}, the history begins with {done.first_after}{kept}")


def _open(address: str) -> "Store":
    """A store that is there: asking about one makes none."""
    from city_brain.store.database import store_url
    from city_brain.store.store import Store

    if "://" not in address and not Path(address).is_file():
        raise SettingsError(f"{address}: wanted a store, got no such file")
    return Store.open(store_url(address, Path.cwd()))


def _feed(store: "Store", name: str) -> "Feed":
    names = store.names()
    chosen = name or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        raise SettingsError(f"--feed: wanted one of {', '.join(names) or 'no feeds'}, got {name!r}")
    return store.feed(chosen)
