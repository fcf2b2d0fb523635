"""`city-brain why-not`: why nothing was told of a place at a time, and who could have seen anything there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    JsonOption,
    MapOrNoneOption,
    Progress,
    SiteOption,
    TypesOption,
    ZoneOrNoneOption,
    blocks_of,
    check_input,
    epoch_ms,
    instants,
    plural,
    read_site,
)
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from city_brain.inquiry.answering import Answer, Words
    from city_brain.inquiry.candidates import Candidate
    from city_brain.inquiry.listening import Listener, Question
    from city_brain.inquiry.sight import Witness
    from city_brain.site import Site

HEARD_AFTER_S: Final = 900.0
"""How long behind the time that is asked for a recording is read on: what was told later than this came too late."""
RADIUS_M: Final = 80.0
WITHIN_S: Final = 120.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("why-not")(why_not)


def why_not(
    observations: Annotated[
        str, typer.Argument(help="JSON lines, plain or Zstandard (-: standard input), or a recording (*.mcap).")
    ],
    at: Annotated[str, typer.Option("--at", metavar="LON,LAT", help="The place, in degrees (WGS-84).")],
    time: Annotated[str, typer.Option("--time", help="When: RFC 3339 with its offset.")],
    map_path: MapOrNoneOption = None,
    site: SiteOption = None,
    type_name: Annotated[str, typer.Option("--type", help="The incident type; without it: whatever it was.")] = "",
    radius: Annotated[
        float, typer.Option("--radius", min=1, max=5000, help="How far around the place, in metres.")
    ] = RADIUS_M,
    within: Annotated[
        float, typer.Option("--within", min=1, max=3600, help="How long before and after the time, in seconds.")
    ] = WITHIN_S,
    types: TypesOption = None,
    zone: ZoneOrNoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why nothing was told: what was suspected near a place at a time and which gate stopped it, what was looked
    at, and which incident types the sources could have seen there at all.

    Fuses the recording anew, up to a quarter of an hour behind that time. Exit code 1: the time is not in it.
    """
    import msgspec

    from city_brain.inquiry.answering import Words, answer
    from city_brain.inquiry.listening import Listener, Question
    from city_brain.wording.nearest import nearest

    city = read_site(map_path, site, types)
    lon, lat = _place(at)
    if type_name and type_name not in city.types.by_name:
        known = ", ".join(city.types.by_name)
        near = nearest(type_name, city.types.by_name)
        raise SettingsError(f"--type: wanted one of {known}, got {type_name!r}{near}")
    question = Question(
        lon=lon, lat=lat, time_ms=epoch_ms(time, "--time"), radius_m=radius, within_s=within, type=type_name
    )
    listener = Listener(city.runner(), question)
    broken = _listen(listener, observations)
    instant = instants(zone or city.settings.time_zone)
    _check_range(listener, observations, instant)
    said = answer(listener, lambda moment_ms: instant(moment_ms)[11:19])
    if as_json:
        typer.echo(msgspec.json.encode(said))
    else:
        for line in _lines(said, Words(city.types, lambda moment_ms: instant(moment_ms)[11:19]), city, instant):
            typer.echo(printable(line))
    check_input(broken, listener.runner.counters.used, observations, map_path or site or Path())


def _place(text: str) -> tuple[float, float]:
    """Longitude and latitude of what --at says; raises SettingsError."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        lon, lat = 361.0, 91.0
    if not (abs(lon) <= 180.0 and abs(lat) <= 90.0):
        raise SettingsError(f"--at: wanted longitude,latitude such as 117.12284,36.65003, got {text!r}")
    return lon, lat


def _listen(listener: "Listener", observations: str) -> "RecordingError | None":
    """Fuses as far as the answer needs it; answers why it could not be read to there."""
    from city_brain.replay.stream import StreamReader

    enough_ms = listener.question.until_ms + round(1000 * HEARD_AFTER_S)
    progress, reader = Progress("why-not"), StreamReader(listener.runner)
    try:
        for closed in reader.read(blocks_of(observations)):
            listener.take(closed)
            progress.show(f"{listener.runner.counters.read} rows")
            before = listener.first_ms is not None and listener.first_ms > listener.question.until_ms
            if listener.last_ms > enough_ms and not before:
                break
    finally:
        progress.done()
    return reader.broken


def _check_range(listener: "Listener", observations: str, instant: "Callable[[float], str]") -> None:
    """Raises RecordingError where the recording does not hold the time."""
    first_ms, question = listener.first_ms, listener.question
    if first_ms is not None and first_ms <= question.time_ms <= listener.last_ms:
        return
    holds = "nothing" if first_ms is None else f"{instant(first_ms)} to {instant(listener.last_ms)}"
    raise RecordingError(
        f"{observations}: wanted a time in the recording, got {instant(question.time_ms)}; it holds {holds}"
    )


def _lines(said: "Answer", words: "Words", site: "Site", instant: "Callable[[float], str]") -> "list[str]":
    question = said.question
    what = f"{question.type} " if question.type else ""
    lines = [
        f"ASKED  {what}at {instant(question.time_ms)} ± {question.within_s:.0f} s, within {question.radius_m:.0f} m of "
        f"{question.lon:.5f}, {question.lat:.5f}{_called(question, site)}",
        "",
        f"ANSWER  {said.summary}",
    ]
    lines += _told(said, words)
    lines += ["", "SOURCES  what is about the place"]
    lines += [f"  {_source(witness, words)}" for witness in (*said.cameras, *said.signals)] or ["  none"]
    if said.reports:
        lines.append(f"  {plural(said.reports, 'report')} of people within the radius")
    lines += ["", "COULD BE SEEN  by type, as far as sources and map go"]
    width = max((len(sight.type) for sight in said.types), default=0)
    for sight in said.types:
        lines.append(f"  {sight.type:{width}}  {sight.could:6}  {'; '.join(sight.why)}")
        lines += [f"  {'':{width}}  {'':6}  would help: {each}" for each in sight.helps]
    until = instant(said.heard_until_ms)
    return [*lines, "", f"heard: the recording from {instant(said.heard_from_ms)} to {until}"]


def _called(question: "Question", site: "Site") -> str:
    """What people call the place, where the map knows."""
    from city_brain.incidents.desk.places import Places

    ring = question.ring(site.ground.city.frame)
    place = Places(site.ground.city).at(ring.x, ring.y)
    named = place.names.get("en") or place.names.get("zh") or place.intersection or place.road
    return f" ({named})" if named else ""


def _told(said: "Answer", words: "Words") -> "list[str]":
    """The candidates: those that were weighed with their sums, then what was only looked at."""
    weighed = [made for made in said.candidates if made.gate != "not_handed_over"]
    looked = [made for made in said.candidates if made.gate == "not_handed_over"]
    lines = ["", "CANDIDATES  what was announced, suspected or weighed there"]
    for made in weighed:
        lines += _candidate(made, words)
    lines += [] if weighed else ["  none"]
    lines += ["", "LOOKED AT  and not suspected, the most telling of each type"]
    width = max((len(made.type) for made in looked), default=0)
    lines += [f"  {made.type:{width}}  {words.clock(made.first_ms)}  {words.looked(made)}" for made in looked]
    return lines if looked else [*lines, "  nothing"]


def _candidate(made: "Candidate", words: "Words") -> "list[str]":
    from city_brain.incidents.explain import headline
    from city_brain.inquiry.telling import sum_lines

    span = f"{words.clock(made.first_ms)} to {words.clock(made.last_ms)}"
    if made.surest is None or made.last is None:
        return [f"  {made.type}, {made.away_m:.0f} m away, {span}: {words.gate(made)}", f"      {made.what}"]
    if made.gate == "announced":
        return [f"  {words.announced(made)}"]
    title = headline(made.last, words.types[made.type]).en
    lines = [f"  {made.number} {made.type}, {made.away_m:.0f} m away, {span}: {title}"]
    lines += [f"      {told.text}" for told in sum_lines(made.surest, words.types, words.clock, in_words=True)]
    return [
        *lines,
        f"      as of {words.clock(made.surest.updated_ms)}, its surest revision",
        f"      it {words.gate(made)}",
    ]


def _source(witness: "Witness", words: "Words") -> str:
    """What a source is to the place, and how much it said."""
    if witness.kind == "camera":
        where = "views this place" if witness.away_m == 0.0 else f"views what begins {witness.away_m:.0f} m away"
    else:
        where = f"serves the junction {witness.away_m:.0f} m away" if witness.away_m else "serves this junction"
    near = f", {witness.near} of them within the radius" if witness.kind == "camera" and witness.rows else ""
    blind = ""
    for since_ms, until_ms in witness.blind:
        until = "on" if until_ms is None else f"until {words.clock(until_ms)}"
        blind += f"; silent or blind from {words.clock(since_ms)} {until}"
    if witness.quiet is not None and not witness.blind:
        before_ms, after_ms = witness.quiet
        since = "from the beginning" if before_ms is None else f"from {words.clock(before_ms)}"
        blind = f"; sent nothing {since} {'on' if after_ms is None else f'until {words.clock(after_ms)}'}"
    return f"{witness.source_id:16} {where}; {plural(witness.rows, 'row')} in that time{near}{blind}"
