"""`city-brain bag diff` and `bag golden`: what differs between two answers, and from what is expected."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    OUTPUTS_DIFFER,
    ZONE,
    JsonOption,
    Progress,
    ZoneOption,
    instants,
    keep_apart,
    plural,
    types_folder,
)
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.playback.comparing.differing import Difference, Differences
    from city_brain.playback.comparing.diverging import Divergence
    from city_brain.playback.comparing.goldens import Checked

FIELDS_SHOWN: Final = 6
JunitOption = Annotated[Path | None, typer.Option("--junit", help="Where to write the result as JUnit XML.")]


def diff(
    left: Annotated[Path, typer.Argument(metavar="A", help="A recording, or lines of incidents or ticks.")],
    right: Annotated[Path | None, typer.Argument(metavar="B", help="The other; default: A once more.")] = None,
    types_a: Annotated[Path | None, typer.Option("--types-a", help="Incident types to try on A.")] = None,
    types_b: Annotated[Path | None, typer.Option("--types-b", help="Incident types to try on B.")] = None,
    first: Annotated[
        bool, typer.Option("--first-divergence", help="Where two plays first part: input record, field and rule.")
    ] = False,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="FIELD", help="A field that may differ; repeat.")
    ] = None,
    junit: JunitOption = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Hold the incidents of two answers against each other: by id, then by type and place. Exit 4 if any differs."""
    from city_brain.playback.comparing.answers import incidents_of
    from city_brain.playback.comparing.differing import differences

    other, instant = left if right is None else right, instants(zone)
    keep_apart([left, other], [junit])
    if right is None and types_a is None and types_b is None:
        raise SettingsError("bag diff: wanted another answer, or other types for it (--types-b), got A alone")
    if first:
        if ignore or junit:
            raise SettingsError("--first-divergence: wanted neither --ignore nor --junit, got one of them")
        _diverge((left, _files(types_a)), (other, _files(types_b)), instant, as_json)
        return
    progress = Progress("bag diff")
    progress.show(f"plays {left}")
    before = incidents_of(left, _files(types_a))
    progress.show(f"plays {other}")
    found = differences(before, incidents_of(other, _files(types_b)), ignore or ())
    progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        _print_differences(found, instant)
    _write_junit(junit, {f"{left} {other}": found}, {})
    if found.found:
        raise typer.Exit(OUTPUTS_DIFFER)


def _files(folder: Path | None) -> dict[str, bytes] | None:
    from city_brain.incidents.incident_type import type_files

    types = types_folder(folder)
    return None if types is None else type_files(types)


def _diverge(
    left: tuple[Path, dict[str, bytes] | None],
    right: tuple[Path, dict[str, bytes] | None],
    instant: Callable[[float], str],
    as_json: bool,
) -> None:
    from city_brain.playback.comparing.diverging import first_divergence
    from city_brain.playback.opening import open_played

    progress = Progress("bag diff")
    progress.show("plays both")
    found = first_divergence(open_played(*left), open_played(*right))
    progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(found))
    elif found is None:
        typer.echo("they nowhere part")
    else:
        _print_divergence(found, instant)
    if found is not None:
        raise typer.Exit(OUTPUTS_DIFFER)


def _print_divergence(found: "Divergence", instant: Callable[[float], str]) -> None:
    lines = [f"they part at tick {found.number}, due {instant(found.due_ms)}"]
    if found.incident:
        lines.append(f"  incident {found.incident}, {found.type}")
    lines += [f"    {field.path}: {field.before} -> {field.after}" for field in found.fields[:FIELDS_SHOWN]]
    if len(found.fields) > FIELDS_SHOWN:
        lines.append(f"    and {plural(len(found.fields) - FIELDS_SHOWN, 'field')} more")
    lines += [
        f"  input  {one.topic}/{one.partition} {one.offset}, row {one.row}: {', '.join(one.sources[:2])} "
        f"{one.what}, {instant(one.time_ms)}"
        for one in found.inputs[:FIELDS_SHOWN]
    ]
    lines += [f"  rule   {one.type}, {one.path}: {one.before} -> {one.after}" for one in found.parameters]
    if not found.parameters:
        lines.append("  rule   the same on both sides: the input differs, or the program")
    for line in lines:
        typer.echo(printable(line))


def _print_differences(found: "Differences", instant: Callable[[float], str]) -> None:
    for one in found.found:
        typer.echo(printable(_difference_text(one, instant)))
        for field in one.fields[:FIELDS_SHOWN]:
            typer.echo(printable(f"    {field.path}: {field.before} -> {field.after}"))
        if len(one.fields) > FIELDS_SHOWN:
            typer.echo(f"    and {plural(len(one.fields) - FIELDS_SHOWN, 'field')} more")
    counts = ", ".join(f"{len(found.of(what))} {what}" for what in ("added", "removed", "changed"))
    late = [one.later_s for one in found.found if one.later_s > 0.0]
    early = [-one.later_s for one in found.found if one.later_s < 0.0]
    times = [f"{len(of)} {word} by at most {max(of):g} s" for of, word in ((late, "later"), (early, "earlier")) if of]
    typer.echo("; ".join([f"{plural(found.same, 'incident')} the same, {counts}", *times]))


def _difference_text(one: "Difference", instant: Callable[[float], str]) -> str:
    sign = {"added": "+", "removed": "-", "changed": "~"}[one.what]
    moved = f", {abs(one.later_s):g} s {'later' if one.later_s > 0 else 'earlier'}" if one.later_s else ""
    return (
        f"{sign} {one.number} {one.type} at {one.lon:.5f},{one.lat:.5f}, announced {instant(one.announced_ms)}{moved}"
    )


def _write_junit(path: Path | None, found: "dict[str, Differences]", errors: dict[str, str]) -> None:
    from city_brain.playback.comparing.junit import junit

    if path is not None:
        try:
            path.write_bytes(junit(found, errors))
        except OSError as wrong:
            raise RecordingError(f"{path}: wanted to write the result, got: {wrong.strerror}") from wrong


Places = Annotated[list[Path], typer.Argument(metavar="PLACE…", help="Recordings, or folders of them.")]


def golden_add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Recordings that nothing is expected of yet.")],
) -> None:
    """Write down what recordings say as what is expected of them, beside each."""
    from city_brain.playback.comparing.goldens import add

    for file in files:
        golden = add(file)
        typer.echo(printable(f"{file}: {plural(golden.revisions, 'revision')}, {plural(golden.ticks, 'tick')}, "
                             f"digest {golden.digest}"))  # fmt: skip


def golden_check(
    places: Places, junit: JunitOption = None, zone: ZoneOption = ZONE, as_json: JsonOption = False
) -> None:
    """Play recordings and hold them against what is expected, to the byte. Exit code 4 where one differs."""
    from city_brain.playback.comparing.goldens import check

    checked = _each(places, check, zone, as_json)
    _write_junit(junit, {one.name: one.incidents for one in checked}, {one.name: one.differs for one in checked})
    if any(one.differs for one in checked):
        raise typer.Exit(OUTPUTS_DIFFER)


def golden_bless(places: Places, zone: ZoneOption = ZONE, as_json: JsonOption = False) -> None:
    """Expect from now on what recordings say today, and print what that changes."""
    from city_brain.playback.comparing.goldens import bless

    _each(places, bless, zone, as_json)


def _each(places: list[Path], what: "Callable[[Path], Checked]", zone: str, as_json: bool) -> "list[Checked]":
    from city_brain.playback.comparing.goldens import goldens

    checked: list[Checked] = []
    progress, instant = Progress("bag golden"), instants(zone)
    for file in goldens(places):
        progress.show(f"plays {file}")
        one = what(file)
        checked.append(one)
        progress.done()
        if not as_json:
            typer.echo(printable(f"{'DIFFERS' if one.differs else 'same   '} {one.digest[:16]} {one.name}"))
        if one.differs and not as_json:
            typer.echo(printable(f"        {one.differs}"))
            _print_differences(one.incidents, instant)
    if as_json:
        typer.echo(msgspec.json.encode(checked))
    return checked
