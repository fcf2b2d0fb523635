"""`city-brain init SITE`: writes the folder of a new site, and says what to do next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.cli.common import ZONE, JsonOption, epoch_ms, plural
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

JINAN = "117.1201,36.6512"
START = "2026-09-24T08:00:00+08:00"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="SITE", help="A folder that is new or empty.")],
    at: Annotated[str, typer.Option("--at", metavar="LON,LAT", help="Where its corner lies, WGS-84.")] = JINAN,
    name: Annotated[str, typer.Option("--name", help="What the city is called; default: as the folder is.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="Its time zone, as the IANA names it.")] = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Make a site to begin with: a map of one corner, settings, an incident type, and three minutes of observations.

    The corner has one camera, one signal and one wind sensor. In the observations a car stops behind the junction, and
    a gale rises.
    """
    import msgspec

    from city_brain.site import time_zone

    time_zone(zone)
    files = _files(_place(at), name or folder.resolve().name, zone)
    _write(folder, files)
    if as_json:
        typer.echo(msgspec.json.encode({"site": str(folder), "files": list(files)}))
        return
    lines = files["observations.jsonl"].count(b"\n")
    typer.echo(f"{folder}/city.geojson                      the map: cam-1, sig-1 and wind-1 at one corner")
    typer.echo(f"{folder}/site.toml                         settings")
    typer.echo(f"{folder}/incident-types/gale.yaml          an incident type of its own")
    typer.echo(f"{folder}/observations.jsonl                {plural(lines, 'line')} of three minutes")
    typer.echo(f"next: city-brain run {folder}", err=True)


def _place(at: str) -> tuple[float, float]:
    """Longitude and latitude of the option; raises SettingsError."""
    try:
        lon, lat = (float(word) for word in at.split(","))
    except ValueError:
        raise SettingsError(f"--at: wanted LON,LAT such as {JINAN}, got {at!r}") from None
    if not (-180.0 <= lon <= 180.0 and -85.0 <= lat <= 85.0):
        swapped = f"; did you mean {lat},{lon}?" if abs(lon) <= 85.0 and abs(lat) <= 180.0 else ""
        raise SettingsError(f"--at: wanted LON within ±180 and LAT within ±85 degrees, got {at!r}{swapped}")
    return lon, lat


def _files(place: tuple[float, float], name: str, zone: str) -> "dict[str, bytes]":
    """What the folder holds: name to content."""
    from importlib import resources

    import msgspec

    from city_brain.city.features.writing import geojson_lines
    from city_brain.cli.starting.corner import corner
    from city_brain.cli.starting.morning import lines

    templates = resources.files("city_brain.cli.starting") / "site"
    settings = (templates / "site.toml").read_text(encoding="utf-8")
    said = {'"@CITY@"': msgspec.json.encode(name).decode(), '"@ZONE@"': msgspec.json.encode(zone).decode()}
    for mark, value in said.items():
        settings = settings.replace(mark, value)
    city = corner(*place)
    rule = "incident-types/gale.yaml"
    return {
        "city.geojson": b"\n".join(geojson_lines(city)) + b"\n",
        "site.toml": settings.encode(),
        rule: (templates / "incident-types" / "gale.yaml").read_bytes(),
        "observations.jsonl": b"".join(line + b"\n" for line in lines(city.frame, epoch_ms(START, "start"))),
    }


def _write(folder: Path, files: "Mapping[str, bytes]") -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"{folder}: wanted a folder that is new or empty, got one that holds something")
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as wrong:
        raise RecordingError(f"{folder}: wanted a folder to write into, got: {wrong.strerror}") from wrong
