"""The commands on recordings: what is in one, its records, whether it is sound, and a good one of what is left."""

import base64
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from city_brain.canonical import printable
from city_brain.cli.common import DATA_LOST, FAILED, ZONE, JsonOption, ZoneOption, epoch_ms, instants, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from city_brain.bag.reading import Recording
    from city_brain.bag.records import Gap, Record

NS_PER_MS = 1_000_000
LOSSES_TOLD = 20
"""Entries of the ledger that a command tells which was asked for something else."""

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A recording (*.mcap), or what was left of one.")]


def info(file: FileArgument, zone: ZoneOption = ZONE, as_json: JsonOption = False) -> None:
    """Print what a recording holds: topics and offsets, times, metadata, attachments, losses.

    Exit code 3 where the recorder lost records, or the file was cut.
    """
    instant = instants(zone)
    parts = {str(segment.path): _told(segment) for segment in _segments(file)}
    told = _joined(parts)
    if as_json:
        typer.echo(msgspec.json.encode(told))
    else:
        in_all = f"{plural(told['records'], 'record')} in {plural(told['chunks'], 'chunk')}"
        typer.echo(printable(f"{file}: {in_all}" + (f", {len(parts)} segments" if len(parts) > 1 else "")))
        if len(parts) > 1:
            for path, part in parts.items():
                words = f"{plural(part['records'], 'record')}, {part['bytes']} bytes,{_span_text(part, instant)}"
                typer.echo(printable(f"  segment {path}: {words}"))
        elif told["first_ns"] is not None:
            typer.echo(f" {_span_text(told, instant)}")
        for place in told["partitions"]:
            lowest, highest = place["lowest"], place["highest"]
            typer.echo(printable(f"  {place['topic']}/{place['partition']}  offsets {lowest} to {highest}"))
        for name, said in told["metadata"].items():
            words = ", ".join(f"{word}={value}" for word, value in said.items())
            typer.echo(printable(f"  metadata {name}: {words}"))
        for attached in told["attachments"]:
            typer.echo(printable(f"  attached {attached['name']}: {attached['size']} bytes, {attached['media_type']}"))
        for gap in told["gaps"]:
            typer.echo(printable(f"  lost: {_gap_text(gap)}"))
        if told["cut"]:
            typer.echo(printable(f"cut: {told['cut']}"), err=True)
    if told["gaps"] or told["cut"]:
        raise typer.Exit(DATA_LOST)


def list_records(
    file: FileArgument,
    since: Annotated[
        str, typer.Option("--from", help="Begin with what arrived then, as 2026-03-01T08:00:00+08:00.")
    ] = "",
    topic: Annotated[str, typer.Option("--topic", help="Only records of this topic.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many records; else all.")] = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Print records, one a line, in order of arrival; with --json also headers, keys (base64), and all times.

    Exit code 3 where the file was cut.
    """
    from city_brain.bag.reading import check_topics, topics_of

    instant = instants(zone)
    start_ns = epoch_ms(since, "--from") * NS_PER_MS if since else None
    if topic:
        check_topics([topic], topics_of(_segments(file)), str(file))
    found = (record for segment in _segments(file) for record in segment.records(start_ns))
    for record in islice((record for record in found if topic in ("", record.topic)), limit):
        typer.echo(_record_line(record) if as_json else printable(_record_text(record, instant(_ms(record)))))
    end_if_cut(file)


def doctor(file: FileArgument, as_json: JsonOption = False) -> None:
    """Read all of a recording with every check, and compare its indexes with what is there.

    Exit code 1 where something is wrong with the file, 3 where it is sound but the recorder lost records.
    """
    from city_brain.bag.recovering import examine_series

    found = list(examine_series(file))
    trouble = [what for _, part in found for what in part.trouble]
    gaps = [msgspec.to_builtins(gap) for _, part in found for gap in part.gaps]
    if as_json:
        counts = {name: sum(getattr(part, name) for _, part in found) for name in ("chunks", "messages", "records")}
        segments = [msgspec.to_builtins(part) | {"path": str(path)} for path, part in found]
        told = {"profile": found[0][1].profile, **counts, "gaps": gaps, "trouble": trouble, "segments": segments}
        typer.echo(msgspec.json.encode(told))
    else:
        for path, part in found:
            held = f"{plural(part.records, 'record')}, {plural(part.messages, 'message')}"
            state = "damaged" if part.trouble else "sound"
            typer.echo(printable(f"{path}: {held}, {plural(part.chunks, 'chunk')}, {state}"))
        for gap in gaps:
            typer.echo(printable(f"  lost: {_gap_text(gap)}"))
        for what in trouble:
            typer.echo(printable(f"damaged: {what}"), err=True)
    if trouble or gaps:
        raise typer.Exit(FAILED if trouble else DATA_LOST)


def recover(
    file: FileArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="The new file; default: FILE without .part, or FILE-mended.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write what is whole of a damaged recording into a new one; FILE is not touched.

    Exit code 3 where something in it could not be read.
    """
    from city_brain.bag.container.segments import PART
    from city_brain.bag.recovering import recover as recover_file

    if out is None:
        out = file.with_suffix("") if file.suffix == PART else file.with_name(f"{file.stem}-mended{file.suffix}")
    found = recover_file(file, out)
    if as_json:
        typer.echo(msgspec.json.encode(msgspec.to_builtins(found) | {"out": str(out)}))
    else:
        typer.echo(printable(f"{out}: {plural(found.records, 'record')} in {plural(found.chunks, 'chunk')} saved"))
        if not found.finished:
            typer.echo("  the recording was not finished: what its recorder still held is not in it")
        for damage in found.told:
            typer.echo(printable(f"lost: {damage.length} bytes at {damage.at}: {damage.why}"), err=True)
        if found.damages > len(found.told):
            typer.echo(f"lost: {found.damages - len(found.told)} places more", err=True)
    if found.damages:
        raise typer.Exit(DATA_LOST)


def end_if_cut(file: Path) -> None:
    """Exits with 3, and says so, where a recording that was read as far as it goes was cut."""
    cut = "; ".join(segment.cut for segment in _segments(file) if segment.cut)
    if cut:
        typer.echo(printable(f"cut: {cut}"), err=True)
        raise typer.Exit(DATA_LOST)


def end_if_lacking(file: Path) -> None:
    """Exits with 3, and says so, where a recording that was read to its end was cut, or its recorder lost records."""
    gaps = [msgspec.to_builtins(gap) for segment in _segments(file) for gap in _gaps(segment)]
    for gap in gaps[:LOSSES_TOLD]:
        typer.echo(printable(f"lost: {_gap_text(gap)}"), err=True)
    if len(gaps) > LOSSES_TOLD:
        typer.echo(f"lost: {len(gaps) - LOSSES_TOLD} entries more, which city-brain bag info tells", err=True)
    end_if_cut(file)
    if gaps:
        raise typer.Exit(DATA_LOST)


def _segments(file: Path) -> "Iterator[Recording]":
    """The segments of the recording that begins with a file, or that file alone where it begins none."""
    from city_brain.bag.reading import Recording, is_first, segments

    with Recording(file) as recording:
        if not is_first(recording):
            yield recording
            return
    yield from segments(file)


def _joined(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What segments say together; each by itself stands in `segments`."""
    told = list(parts.values())
    spans: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for part in told:
        for place in part["partitions"]:
            spans.setdefault((place["topic"], place["partition"]), []).append(place)
    places = [
        {"topic": topic, "partition": partition, "lowest": min(one["lowest"] for one in found),
         "highest": max(one["highest"] for one in found)}
        for (topic, partition), found in spans.items()
    ]  # fmt: skip
    times = [part[name] for part in told for name in ("first_ns", "last_ns") if part[name] is not None]
    attached = {(entry["name"], entry["size"]): entry for part in told for entry in part["attachments"]}
    return {
        **told[0], **{name: sum(part[name] for part in told) for name in ("bytes", "chunks", "records")},
        "first_ns": min(times, default=None), "last_ns": max(times, default=None), "partitions": places,
        "metadata": {name: said for part in told for name, said in part["metadata"].items()},
        "attachments": list(attached.values()), "gaps": [gap for part in told for gap in part["gaps"]],
        "cut": "; ".join(part["cut"] for part in told if part["cut"]),
        "segments": [{"path": path, **part} for path, part in parts.items()],
    }  # fmt: skip


def _span_text(told: dict[str, Any], instant: "Callable[[float], str]") -> str:
    if told["first_ns"] is None:
        return ""
    first, last = (instant(told[name] / NS_PER_MS) for name in ("first_ns", "last_ns"))
    return f" arrived from {first} to {last}"


def _told(recording: "Recording") -> dict[str, Any]:
    """What a file says of itself; one that was cut is read to its end, since it says little."""
    from city_brain.bag.records import PROFILE, SEGMENT

    ours, said = recording.profile == PROFILE, recording.metadata.get(SEGMENT, {})
    index = recording.offset_index() if ours else None
    if recording.cut or "records" not in said:
        records = sum(len(batch) for batch in recording.batches()) if ours else 0
    else:
        records = int(said["records"])
    places = []
    for number, channel in sorted(recording.channels.items()):
        rows = index.channel == number if index is not None else None
        if index is not None and rows is not None and rows.any():
            span = {"lowest": int(index.low[rows].min()), "highest": int(index.high[rows].max())}
            places.append({"topic": channel.topic, "partition": channel.partition, **span})
    entries = recording.entries
    return {
        "profile": recording.profile, "bytes": recording.size, "chunks": len(entries), "records": records,
        "first_ns": entries[0].start_ns if entries else None, "last_ns": entries[-1].end_ns if entries else None,
        "partitions": places, "metadata": recording.metadata,
        "attachments": [msgspec.to_builtins(entry) for entry in recording.attachments],
        "gaps": [msgspec.to_builtins(gap) for gap in _gaps(recording)], "cut": recording.cut,
    }  # fmt: skip


def _gaps(recording: "Recording") -> "list[Gap]":
    """The ledger of losses; it is not looked for where the file says that it is empty."""
    from city_brain.bag.records import PROFILE, SEGMENT

    if recording.profile != PROFILE:
        return []
    return recording.gaps() if recording.cut or recording.metadata.get(SEGMENT, {}).get("gaps") != "0" else []


def _gap_text(gap: dict[str, Any]) -> str:
    place = f"{gap['topic']}/{gap['partition']} {gap['first']} to {gap['last']}" if gap["topic"] else "of the file"
    return f"{place}, {gap['reason']}" + (f": {gap['detail']}" if gap["detail"] else "")


def _ms(record: "Record") -> float:
    return record.log_ns / NS_PER_MS


def _record_text(record: "Record", arrived: str) -> str:
    key = "null" if record.key is None else record.key.decode(errors="backslashreplace")[:40]
    value = "null" if record.value is None else f"{len(record.value)} bytes"
    headers = f", {plural(len(record.headers), 'header')}" if record.headers else ""
    return f"{arrived}  {record.topic}/{record.partition} {record.offset}  key {key}, value {value}{headers}"


def _record_line(record: "Record") -> bytes:
    told = msgspec.structs.asdict(record)
    del told["value"]
    told["value_bytes"] = None if record.value is None else len(record.value)
    told["key"] = _base64(record.key)
    told["headers"] = [[name.encode(errors="replace").decode(), _base64(value)] for name, value in record.headers]
    return msgspec.json.encode(told)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
