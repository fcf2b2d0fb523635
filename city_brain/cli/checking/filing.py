"""Maps, incident types, settings and whole sites before anything runs."""

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from city_brain.city.checking import map_faults
from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.cli.checking.verdict import Verdict
from city_brain.cli.common import plural
from city_brain.errors import CityBrainError, RuleError, SettingsError
from city_brain.feeds.filters import Names
from city_brain.incidents.incident_type import IncidentType, built_in_files, collect, read_incident_type, types_of
from city_brain.observations.vocabulary import CONVERSIONS, QUANTITY_CODES
from city_brain.province.settings import PROVINCE_FILE, read_province
from city_brain.servers.doors.policy import policy_of
from city_brain.servers.paths import files_in
from city_brain.servers.settings import split
from city_brain.site import SiteSettings, own_types, read_settings, time_zone
from city_brain.wording.nearest import nearest, shown

MAP: Final = "city.geojson"
SETTINGS: Final = "site.toml"
TYPES: Final = "incident-types"
_DETECTOR: Final = re.compile(rb"^detector[ \t]*:", re.MULTILINE)
"""Only an incident type has this key at its top."""


def check_map(name: str, most: int) -> tuple[Verdict, CityMap | None]:
    """The verdict on a city map, and the map where it is in order."""
    verdict = Verdict(name, "city map", most)
    data = _read(name, verdict)
    if data is not None:
        verdict.refuse(map_faults(data, name))
    if data is None or not verdict.in_order:
        return verdict, None
    city = load_city(data, name=name)
    verdict.refuse(f"{name}: {said}" for said in _unread(city))
    verdict.counts = {
        "cameras": len(city.cameras), "signals": len(city.signals), "sensors": len(city.sensors),
        "intersections": len(city.intersections), "lanes": len(city.lanes), "crosswalks": len(city.crosswalks),
        "areas": len(city.areas),
    }  # fmt: skip
    verdict.summary = ", ".join(f"{n} {kind}" for kind, n in verdict.counts.items() if n) or "an empty map"
    return verdict, city


def _unread(city: CityMap) -> Iterator[str]:
    """Sensors of which nothing is ever read, or nothing without a unit of its own."""
    for sensor in city.sensors:
        quantity, unit = sensor.quantity, sensor.unit
        units = [known for code, known in CONVERSIONS if code == QUANTITY_CODES.get(quantity)]
        if not units:
            got = f"{shown(quantity)}{nearest(quantity, QUANTITY_CODES)}"
            yield f"sensor {sensor.id!r}: quantity: wanted one of {', '.join(QUANTITY_CODES)}, got {got}"
        elif unit not in units:
            got = f"{shown(unit)}{nearest(unit, units)}"
            yield f"sensor {sensor.id!r}: unit: wanted a unit of {quantity}: {', '.join(units)}, got {got}"


def check_type(name: str, most: int) -> Verdict:
    """The verdict on an incident type, beside the built-in ones and those of its folder."""
    verdict = Verdict(name, "incident type", most)
    data = _read(name, verdict)
    if data is None:
        return verdict
    try:
        kind = read_incident_type(data, name)
        beside = {**_siblings(Path(name)), name: kind}
        for file, built_in in built_in_files().items():
            if file not in (Path(other).name for other in beside):
                beside[file] = read_incident_type(built_in, file)
        collect(beside)
    except RuleError as wrong:
        verdict.refuse(str(wrong).split("\n"))
        return verdict
    verdict.summary = f"type {kind.type}, version {kind.version}, detector {kind.detector}"
    return verdict


def _siblings(path: Path) -> dict[str, IncidentType]:
    """The sound types in the folder of a type, to which it may refer."""
    found: dict[str, IncidentType] = {}
    for other in sorted(path.resolve().parent.glob("*.yaml")):
        if other.name != path.name:
            try:
                found[other.name] = read_incident_type(other.read_bytes(), other.name)
            except (RuleError, OSError):
                continue  # checked for itself
    return found


def check_settings(name: str, most: int) -> tuple[Verdict, SiteSettings | None]:
    """The verdict on site.toml, and the settings where they are in order."""
    verdict = Verdict(name, "settings of a site", most)
    path = Path(name)
    try:
        settings = read_settings(path)
    except SettingsError as wrong:
        verdict.refuse(str(wrong).split("\n"))
        return verdict, None
    verdict.refuse(f"{name}{', ' if said.startswith('[') else ': '}{said}" for said in _unusable(settings))
    zone = settings.time_zone
    verdict.summary = f"city {settings.city or path.resolve().parent.name!r}, {zone}, feed at {settings.feed.address}"
    return verdict, settings if verdict.in_order else None


def _unusable(settings: SiteSettings) -> Iterator[str]:
    """What only shows when settings are used: a zone, addresses, files that are not there."""
    from zoneinfo import available_timezones

    try:
        time_zone(settings.time_zone)
    except SettingsError:
        wanted = "a name as the IANA has it (Asia/Shanghai)"
        got = f"{settings.time_zone!r}{nearest(settings.time_zone, available_timezones())}"
        yield f"time_zone: wanted {wanted}, got {got}"
    for table, address in (("feed", settings.feed.address), ("http", settings.http.address)):
        if address and (said := _raised(partial(split, address))):
            yield f"[{table}]: address: {said.removeprefix('listen address: ')}"
    for place, file in files_in(settings):
        if not Path(file).is_file():
            table, _, key = place.rpartition(".")
            yield (f"[{table}]: " if table else "") + f"{key}: wanted a file that is there, got {file!r}"
    if settings.issuer.adcode and (said := _raised(partial(getattr, settings.issuer, "code"))):
        yield f"[issuer]: {said.removeprefix('issuer: ')}"


def _raised(call: Callable[[], object]) -> str:
    try:
        call()
    except CityBrainError as wrong:
        return str(wrong)
    return ""


def check_province(name: str, most: int) -> Verdict:
    """The verdict on the settings of a province, by their file or folder."""
    folder = Path(name) if Path(name).is_dir() else Path(name).parent
    verdict = Verdict(str(folder / PROVINCE_FILE), "settings of a province", most)
    try:
        settings = read_province(folder)
    except SettingsError as wrong:
        verdict.refuse(str(wrong).split("\n"))
        return verdict
    verdict.summary = f"province {settings.name or settings.code}, {plural(len(settings.cities), 'city')}"
    return verdict


def check_site(name: str, most: int) -> tuple[list[Verdict], CityMap | None]:
    """The verdicts on all files of a site's folder, and its map where that is in order."""
    folder = Path(name)
    if not (folder / MAP).is_file():
        raise SettingsError(f"{folder}: wanted a site folder with {MAP}, got none")
    on_map, city = check_map(str(folder / MAP), most)
    verdicts = [on_map]
    if (folder / SETTINGS).is_file():
        on_settings, settings = check_settings(str(folder / SETTINGS), most)
        if settings is not None and city is not None:
            types = _type_names(folder)
            on_settings.refuse(_strangers(city, types, settings, str(folder / SETTINGS)))
            if types and settings.feed.policy:
                names = Names(types=tuple(types), area_codes=city.area_codes)
                content = Path(settings.feed.policy).read_bytes()
                said = _raised(partial(policy_of, content, settings.feed.policy, names))
                on_settings.refuse([said] if said else [])
        verdicts.append(on_settings)
    verdicts += [check_type(str(path), most) for path in sorted((folder / TYPES).glob("*.yaml"))]
    return verdicts + list(_strays(folder, most)), city


def _strays(folder: Path, most: int) -> Iterator[Verdict]:
    """Incident types that lie, or are called, as none that is read."""
    read = set((folder / TYPES).glob("*.yaml"))
    for path in sorted({*folder.glob("*.y*ml"), *folder.glob("*/*.y*ml"), *(folder / TYPES).glob("*/*.y*ml")} - read):
        verdict = Verdict(str(path), "incident type", most)
        where, data = path.parent.relative_to(folder), _read(str(path), verdict)
        if where != Path(TYPES) and not _DETECTOR.search(data or b""):
            continue  # a file of somebody else's
        got = f"{path.name!r}" if where == Path(TYPES) else f"{path.name!r} in {str(where)!r}"
        verdict.refuse([f"{path}: wanted a file {TYPES}/*.yaml of the site, for only those are read, got {got}"])
        yield verdict


def _type_names(folder: Path) -> Collection[str]:
    """The incident types of a site; none where they are not in order, which is told of themselves."""
    try:
        return types_of(own_types(folder)).by_name
    except (RuleError, OSError):
        return ()


def _strangers(city: CityMap, types: Collection[str], settings: SiteSettings, file: str) -> Iterator[str]:
    """Names in settings that the map or the incident types do not have."""
    cameras = {camera.id for camera in city.cameras}
    for camera in settings.video.cameras:
        if camera not in cameras:
            yield f"{file}, [video.cameras]: wanted cameras of the map, got {camera!r}{nearest(camera, cameras)}"
    for name, department in settings.kafka.departments.items():
        for code in department.areas:
            if code not in city.area_codes:
                place = f"{file}, [kafka.departments.{name}]: areas"
                yield f"{place}: wanted codes of areas on the map, got {code!r}{nearest(code, city.area_codes)}"
        for kind in department.types if types else ():
            if kind not in types:
                place = f"{file}, [kafka.departments.{name}]: types"
                yield f"{place}: wanted incident types of this site, got {kind!r}{nearest(kind, types)}"


def _read(name: str, verdict: Verdict) -> bytes | None:
    try:
        return Path(name).read_bytes()
    except OSError as wrong:
        verdict.count(f"{name}: wanted a file to read, got: {wrong.strerror}")
        return None
