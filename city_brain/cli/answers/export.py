"""`city-brain export`: incidents in the formats of others: CAP, CloudEvents, GeoJSON."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import typer

from city_brain.cli.common import ZONE, JsonOption, TypesOption, ZoneOption, keep_apart, plural, types_folder
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.formats.cap.incidents import Issuer
    from city_brain.formats.times import UtcOffsets
    from city_brain.incidents.incident import Incident
    from city_brain.incidents.incident_type import IncidentTypes

_STANDARD: Final = "-"
_TICK: Final = b'{"city":'
"""How the canonical line of a tick begins; that of an incident begins with its confidence."""


@dataclass(frozen=True)
class _Export:
    """What an export goes by."""

    issuer: "Issuer"
    types: "IncidentTypes"
    offsets: "UtcOffsets"


class _Done(msgspec.Struct, kw_only=True):
    """What an export has done."""

    format: str
    out: str
    revisions: int = 0
    incidents: int = 0
    written: int = 0
    """Alerts, events or features."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(export)


def export(
    incidents: Annotated[str, typer.Argument(help="What `fuse` wrote: --incidents or --ticks; - is standard input.")],
    form: Annotated[
        Literal["cap", "cloudevents", "geojson"],
        typer.Option("--format", help="cap: a file per alert; cloudevents: a line per revision; geojson: a map."),
    ],
    out: Annotated[str, typer.Option("--out", help="A folder for cap, else a file; - is standard output.")] = _STANDARD,
    site: Annotated[
        Path | None, typer.Option("--site", help="A site folder: its issuer, zone, types and areas.")
    ] = None,
    city_map: Annotated[
        Path | None, typer.Option("--map", help="A city map: its largest area gives the code of the city.")
    ] = None,
    adcode: Annotated[str, typer.Option("--adcode", help="Code of the city by GB/T 2260, six digits.")] = "",
    types: TypesOption = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Write incidents as others read them.

    cap: an alert per announced revision: Alert, then Update with references, Cancel where it is withdrawn.
    cloudevents: an event per revision, a line each.
    geojson: the last revision of each incident as a feature.
    """
    if form == "cap" and out == _STANDARD:
        raise SettingsError("--out: wanted a folder for the alerts, a file each, got none")
    keep_apart([incidents], [out])
    chosen = _chosen(site, city_map, adcode, types, zone)
    if form != "geojson":
        _check(chosen.issuer)
    done = _Done(format=form, out=out)
    revisions = _counted(_revisions(incidents), done)
    if form == "cap":
        _write_alerts(revisions, chosen, Path(out), done)
    else:
        with _opened(out) as file:
            parts = _events(revisions, chosen) if form == "cloudevents" else _map(revisions, chosen, done)
            for part in parts:
                file.write(part)
                done.written += form == "cloudevents"
    _say(done, as_json)


def _chosen(site: Path | None, city_map: Path | None, adcode: str, types: Path | None, zone: str) -> _Export:
    from city_brain.formats.cap.incidents import Issuer
    from city_brain.incidents.incident_type import load_incident_types, types_of
    from city_brain.site import own_types, settings_of, time_zone, utc_offsets

    issuer, known, zone_name = Issuer(), None, zone
    if site is not None:
        if not site.is_dir():
            raise SettingsError(f"--site {site}: wanted a site folder, got none")
        settings = settings_of(site)
        issuer, zone_name = settings.issuer, settings.time_zone
        known = types_of(own_types(site))
        city_map = city_map or next(filter(Path.is_file, [site / "city.geojson"]), None)
    if types is not None or known is None:
        known = load_incident_types(types_folder(types))
    code = adcode or issuer.adcode or _city_code(city_map)
    return _Export(
        issuer=msgspec.structs.replace(issuer, adcode=code),
        types=known,
        offsets=utc_offsets(time_zone(zone_name)),
    )


def _check(issuer: "Issuer") -> None:
    """Tells a wrong issuer before anything is written."""
    if not issuer.adcode:
        wanted = "the code of the city, or --map or --site that say it"
        raise SettingsError(f"--adcode: wanted {wanted}, got none")
    _ = issuer.code


def _city_code(city_map: Path | None) -> str:
    """The code of the largest area of a map, where it is a national one."""
    from city_brain.city.loading import load_city
    from city_brain.formats.cap.codes import is_national

    if city_map is None:
        return ""
    codes = [code for code in load_city(city_map).area_codes if is_national(code)]
    return codes[0][:6] if codes else ""


def _revisions(path: str) -> "Iterator[Incident]":
    """The revisions of a file, in its order: incidents, or ticks that hold them."""
    from city_brain.incidents.incident import read_incident
    from city_brain.incidents.tick_record import TickRecord

    with _read(path) as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if not text:
                continue
            try:
                found = TickRecord.from_line(text).incidents if text.startswith(_TICK) else [read_incident(text)]
            except RecordingError as wrong:
                raise RecordingError(f"{path} line {number}: {str(wrong).partition(': ')[2]}") from wrong
            yield from found


@contextmanager
def _read(path: str) -> Iterator[IO[bytes]]:
    if path == _STANDARD:
        yield sys.stdin.buffer
        return
    with _naming(path, "a file of incidents"), Path(path).open("rb") as file:
        yield file


@contextmanager
def _opened(out: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file that is only there once all of it is."""
    if out == _STANDARD:
        yield typer.get_binary_stream("stdout")
        return
    part = Path(out + ".part")
    with _naming(out):
        with part.open("wb") as file:
            yield file
        part.replace(out)


@contextmanager
def _naming(path: str | Path, wanted: str = "a place to write") -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted {wanted}, got: {wrong.strerror}") from wrong


def _counted(revisions: "Iterable[Incident]", done: _Done) -> "Iterator[Incident]":
    seen: set[str] = set()
    for incident in revisions:
        seen.add(incident.incident_id)
        done.revisions, done.incidents = done.revisions + 1, len(seen)
        yield incident


def _write_alerts(revisions: "Iterable[Incident]", chosen: _Export, folder: Path, done: _Done) -> None:
    from city_brain.formats.cap.incidents import Outbox
    from city_brain.formats.cap.writing import write_alert

    with _naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    outbox = Outbox()
    written: set[str] = set()
    for incident in revisions:
        alert = outbox.alert(incident, chosen.types[incident.type], chosen.issuer, chosen.offsets)
        if alert is None:
            continue
        path = folder / f"{alert.identifier}.cap"
        if alert.identifier in written:
            raise RecordingError(f"{path}: wanted an identifier of its own, got one twice: a revision came again")
        written.add(alert.identifier)
        with _naming(path):
            path.write_bytes(write_alert(alert))
        done.written += 1


def _events(revisions: "Iterable[Incident]", chosen: _Export) -> Iterator[bytes]:
    from city_brain.formats.cloudevents import structured

    for incident in revisions:
        yield structured(incident, chosen.issuer.adcode, chosen.offsets) + b"\n"


def _map(revisions: "Iterable[Incident]", chosen: _Export, done: _Done) -> Iterator[bytes]:
    from city_brain.formats.geojson import feature_collection

    newest = {incident.incident_id: incident for incident in revisions}
    yield feature_collection(newest.values(), chosen.types, chosen.offsets)
    done.written = len(newest)


def _say(done: _Done, as_json: bool) -> None:
    """A sentence for people; on standard output only where nothing else is there."""
    aside = done.out == _STANDARD
    if as_json:
        typer.echo(msgspec.json.encode(done), err=aside)
        return
    what = {"cap": "alert", "cloudevents": "event", "geojson": "feature"}[done.format]
    where = "" if aside else f" to {done.out}"
    told = f"{plural(done.revisions, 'revision')} of {plural(done.incidents, 'incident')}"
    typer.echo(f"{plural(done.written, what)}{where}, from {told}", err=True)
