"""`city-brain check FILE...`: says of each file what would be refused and why; runs nothing, and writes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import FAILED, JsonOption, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.city.city_map import CityMap
    from city_brain.cli.checking.verdict import Verdict
    from city_brain.observations.admission import AdmissionTable

FilesArgument = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Observations (- is standard input), map, incident type, settings, site."),
]
_MOST = 20


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check")(check)


def check(
    files: FilesArgument,
    map_path: Annotated[Path | None, typer.Option("--map", help="The map on which observations are judged.")] = None,
    site: Annotated[Path | None, typer.Option("--site", help="The site whose map that is.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Faults told of each file; more are counted.")] = _MOST,
    as_json: JsonOption = False,
) -> None:
    """Say what would be refused of files, and why, before anything runs.

    A file is known by its ending (.jsonl, .zst, .geojson, .yaml, .toml), else by its content; a folder is a site. Rows
    of observations are judged on the map of --map or --site, else on that of the one site or map among FILE.
    Exit code 1 where something would be refused.
    """
    from city_brain.cli.checking.recognising import What, recognised

    if map_path is not None and site is not None:
        raise SettingsError("--site: wanted one of --map and --site, got both")
    kinds = {name: recognised(name) for name in dict.fromkeys(files)}
    verdicts: dict[str, list[Verdict]] = {}
    cities: list[CityMap | None] = []
    for name, what in kinds.items():
        if what != What.OBSERVATIONS:
            verdicts[name], found = _judged(name, what, most)
            cities += found
    table = _table(_named(map_path, site), cities)
    for name, what in kinds.items():
        if what == What.OBSERVATIONS:
            from city_brain.cli.checking.observing import check_observations

            verdicts[name] = [check_observations(name, table, most)]
    _tell([verdict for name in kinds for verdict in verdicts[name]], as_json)


def _judged(name: str, what: str, most: int) -> "tuple[list[Verdict], list[CityMap | None]]":
    """The verdicts on a file or folder that holds no observations, and the map in it where there is one."""
    from city_brain.cli.checking import filing
    from city_brain.cli.checking.recognising import What

    match what:
        case What.CITY_MAP:
            on_map, city = filing.check_map(name, most)
            return [on_map], [city]
        case What.INCIDENT_TYPE:
            return [filing.check_type(name, most)], []
        case What.SETTINGS:
            return [filing.check_settings(name, most)[0]], []
        case What.PROVINCE:
            return [filing.check_province(name, most)], []
        case _:
            verdicts, city = filing.check_site(name, most)
            return verdicts, [city]


def _named(map_path: Path | None, site: Path | None) -> Path | None:
    """The file of the map that an option names; raises SettingsError where it is not there."""
    path = site / "city.geojson" if site is not None else map_path
    if path is not None and not path.is_file():
        raise SettingsError(f"{path}: wanted a city map, got no file")
    return path


def _table(path: Path | None, cities: "list[CityMap | None]") -> "AdmissionTable | None":
    """What the door knows of the map, None without one; raises MapError where the named one is refused."""
    from city_brain.city.loading import load_city
    from city_brain.observations.admission import AdmissionTable

    if path is not None:
        return AdmissionTable.from_city(load_city(path))
    return AdmissionTable.from_city(cities[0]) if len(cities) == 1 and cities[0] is not None else None


def _tell(verdicts: "list[Verdict]", as_json: bool) -> None:
    import msgspec

    from city_brain.wording.nearest import parts

    refused = [verdict for verdict in verdicts if not verdict.in_order]
    if as_json:
        plain = [
            {
                "file": verdict.file, "what": verdict.what, "in_order": verdict.in_order,
                "faults": [{"message": said, **msgspec.to_builtins(parts(said))} for said in verdict.faults],
                "fault_count": verdict.fault_count, "notes": verdict.notes, "counts": verdict.counts,
                "summary": verdict.summary,
            }
            for verdict in verdicts
        ]  # fmt: skip
        typer.echo(msgspec.json.encode({"in_order": not refused, "files": plain}))
    else:
        for verdict in verdicts:
            _tell_one(verdict)
    if refused:
        raise typer.Exit(FAILED)


def _tell_one(verdict: "Verdict") -> None:
    for said in verdict.faults:
        typer.echo(printable(said))
    if verdict.fault_count > len(verdict.faults):
        typer.echo(printable(f"{verdict.file}: and {verdict.fault_count - len(verdict.faults)} more like these"))
    for said in verdict.notes:
        typer.echo(printable(f"note: {said}"))
    judged = "in order" if verdict.in_order else f"{plural(verdict.fault_count, 'fault')}"
    summary = f"; {verdict.summary}" if verdict.summary else ""
    typer.echo(printable(f"{verdict.file}: {verdict.what}, {judged}{summary}"))
