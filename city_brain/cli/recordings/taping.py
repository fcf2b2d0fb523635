"""`city-brain bag record SITE FILE` and `bag play FILE SITE`: topics into a recording, and a recording into topics."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import DATA_LOST, JsonOption, Progress, plural
from city_brain.cli.kafka.common import SiteArgument, site_settings
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.site import SiteSettings


def record(
    site: SiteArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording to write (*.mcap).")],
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at what the topics hold now; else at Ctrl-C or SIGTERM.")
    ] = False,
    budget: Annotated[
        int, typer.Option("--budget", min=0, help="Bytes of disk at most, all segments together; 0: no limit.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Record the raw topics of a site, and the incidents that it says, from the first record that is still there.

    Reads committed records without a group and commits nothing. Exit code 3 where records were lost.
    """
    from city_brain import __version__
    from city_brain.bag.writing import WriterSettings
    from city_brain.distributed import RAW_TOPICS
    from city_brain.kafka.taping.recording import Tape, Taped, record_topics
    from city_brain.kafka.topics import INCIDENTS
    from city_brain.playback.recorded_city import CITY, SETTINGS, decisive

    settings = _named(site)
    if file.exists():
        raise SettingsError(f"{file}: wanted a file that is not there yet, got one")
    city = {"city": settings.city, "made_by": "kafka", "topic_prefix": settings.kafka.topic_prefix,
            "partitions": str(settings.partitions), "version": __version__}  # fmt: skip
    tape = Tape(
        topics=tuple(settings.kafka.topic(name) for name in (*RAW_TOPICS, INCIDENTS)),
        metadata={CITY: city},
        attachments={SETTINGS: ("application/toml", decisive(settings).encode())},
        until_end=until_end,
    )
    taped, progress = Taped(), Progress("record")
    writing = WriterSettings(budget_bytes=budget)
    try:
        record_topics(
            settings.kafka, file, tape, taped, writing=writing,
            told=lambda now: progress.show(plural(now.records, "record")),
        )  # fmt: skip
    finally:
        progress.done()
        _tell(taped, f"{file}: {plural(taped.records, 'record')}, {taped.expired} expired, {taped.refused} refused"
              + (f"; ended early: {taped.full}" if taped.full else ""), as_json)  # fmt: skip
    if taped.lost:
        raise typer.Exit(DATA_LOST)


def play(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording.")],
    site: SiteArgument,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Log seconds per second; 0 as fast as it goes.")] = 0.0,
    records_per_s: Annotated[
        float, typer.Option("--records-per-second", min=0, help="So many records a second, whatever their times.")
    ] = 0.0,
    loop: Annotated[
        int, typer.Option("--loop", min=1, help="So many times; from the second on, times of rows and marks go on.")
    ] = 1,
    lockstep: Annotated[
        str, typer.Option("--lockstep", metavar="GROUP", help="No faster than this consumer group commits.")
    ] = "",
    lag: Annotated[int, typer.Option("--lag", min=1, help="Records that the group may be behind.")] = 10_000,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="OLD=NEW", help="Records of topic OLD go into NEW.")
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="Leave out the header cb-replay.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play a recording into the raw topics of a site that says `replayed = true`, while they are empty."""
    from city_brain.kafka.taping.playing import Pace, Played, Playing
    from city_brain.kafka.taping.playing import play as play_file
    from city_brain.playback.looping import laps

    settings = site_settings(site).kafka
    playing = Playing(
        name="" if bare else str(uuid.uuid4()),
        pace=Pace(rate=rate, records_per_s=records_per_s),
        lockstep=lockstep,
        lag=lag,
        topics=dict(map(_pair, topic or ())),
    )
    played, progress = Played(), Progress("play")
    try:
        play_file(
            file, settings, playing, played, records=laps(file, loop),
            told=lambda now: progress.show(plural(now.records, "record")),
        )  # fmt: skip
    finally:
        progress.done()
        _tell(played, f"{file}: {plural(played.records, 'record')} played in {played.took_s:.1f} s of "
              f"{played.span_s:.1f} s, {played.left_out} left out, {played.late} late", as_json)  # fmt: skip


def _named(site: Path) -> "SiteSettings":
    from city_brain.site import settings_of

    site_settings(site)
    return settings_of(site)


def _pair(words: str) -> tuple[str, str]:
    old, equals, new = words.partition("=")
    if not (old and equals and new):
        raise SettingsError(f"--topic: wanted OLD=NEW, got {words!r}")
    return old, new


def _tell(told: msgspec.Struct, text: str, as_json: bool) -> None:
    typer.echo(msgspec.json.encode(told) if as_json else printable(text))
