"""A site: a folder with the city map, the incident types of its own, and strictly read settings.

city.geojson            the map; required
site.toml               settings; whatever is left out has its default
incident-types/*.yaml   types that add to the built-in ones or replace them
"""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from city_brain.city.loading import load_city
from city_brain.errors import MapError, SettingsError
from city_brain.formats.cap.incidents import Issuer
from city_brain.fusion.scene import Ground
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.incident_type import IncidentTypes, load_incident_types, type_files, types_of
from city_brain.kafka.settings import KafkaSettings, WorkerSettings
from city_brain.pipeline.configuration import Change, Configuration, Configurations, Configured
from city_brain.province.settings import ReportSettings
from city_brain.runner import Runner
from city_brain.servers.paths import placed
from city_brain.servers.publishing.settings import PublishSettings
from city_brain.servers.settings import HttpSettings, Limits, ListenSettings, StoreSettings
from city_brain.ticks.tick import TickSettings
from city_brain.vision.live.settings import VideoSettings
from city_brain.wording.toml import settings_from


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a site, each group declared beside the code that it steers."""

    city: str = ""
    """What the city is called in records; empty: the name of the folder."""
    time_zone: str = "Asia/Shanghai"
    """As the IANA names it; incident numbers count by its days, and people read its hours."""
    partitions: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Of the city, which fuse side by side."""
    ticks: TickSettings = TickSettings()
    desk: DeskSettings = DeskSettings()
    feed: ListenSettings = ListenSettings()
    http: HttpSettings = HttpSettings()
    limits: Limits = Limits()
    publish: PublishSettings = PublishSettings()
    store: StoreSettings = StoreSettings()
    province: ReportSettings = ReportSettings()
    kafka: KafkaSettings = KafkaSettings()
    workers: WorkerSettings = WorkerSettings()
    video: VideoSettings = VideoSettings()
    issuer: Issuer = Issuer()
    """Who speaks in warnings to others."""


class Site:
    """A site made ready: its map, types and settings, and new runners over them."""

    def __init__(self, ground: Ground, types: IncidentTypes, settings: SiteSettings) -> None:
        self.ground, self.types, self.settings = ground, types, settings
        self.configurations = Configurations(
            Configured(ground, types, settings.ticks, self.desk_settings, settings.partitions)
        )
        self.source_names = dict(zip(ground.city.source_keys.tolist(), ground.city.source_ids, strict=True))

    @classmethod
    def open(cls, folder: Path) -> "Site":
        """Reads a folder; raises MapError, RuleError or SettingsError with the file at fault."""
        city_map = folder / "city.geojson"
        if not city_map.is_file():
            raise SettingsError(f"{folder}: wanted a site folder with city.geojson, got none")
        settings = settings_of(folder)
        types = types_of(own_types(folder))
        return cls(Ground.of(load_city(city_map)), types, settings)

    @classmethod
    def of_changes(cls, changes: Sequence[bytes], settings: SiteSettings) -> "Site":
        """A site as the records of `control` say, the first of which it began with; nothing of its folder is read but
        settings. Raises MapError, RuleError or StateError where the first one cannot be used.
        """
        written = Change.from_bytes(changes[0]).configuration
        first = Configured.of(written, settings.ticks, settings.partitions)
        site = cls(first.ground, first.types, settings)
        site.configurations = Configurations(first)
        for change in changes:
            site.configurations.add(change)
        return site

    @classmethod
    def of_map(cls, city_map: Path, types: Path | None, settings: SiteSettings) -> "Site":
        """A site from a map alone."""
        return cls(Ground.of(load_city(city_map)), load_incident_types(types), settings)

    @property
    def name(self) -> str:
        """What the city is called in records."""
        return self.settings.city or "city"

    @property
    def desk_settings(self) -> DeskSettings:
        """Those of the desk, which counts the days of the city's zone."""
        settings = self.settings
        return msgspec.structs.replace(settings.desk, utc_offsets=utc_offsets(time_zone(settings.time_zone)))

    def runner(self, raw_partitions: int = 1) -> Runner:
        """A runner that has read nothing."""
        settings = self.settings
        return Runner(
            self.ground,
            self.types,
            settings.ticks,
            partitions=settings.partitions,
            raw_partitions=raw_partitions,
            city=self.name,
            desk=self.desk_settings,
        )


def written(folder: Path, origin: tuple[float, float] | None = None) -> Configuration:
    """What a folder says of map, types and desk, once it is sure that it can be used; raises the error of the file at
    fault. `origin` (longitude, latitude): the frame that a running city keeps.
    """
    site = Site.open(folder)
    city_map = (folder / "city.geojson").read_bytes()
    frame = load_city(city_map, origin).frame
    if origin is not None and (frame.lon0, frame.lat0) != origin:
        raise MapError(
            f"{folder / 'city.geojson'}: origin: wanted {list(origin)}, which a running city keeps, got {frame}"
        )
    return Configuration(
        city_map=city_map,
        origin=(frame.lon0, frame.lat0),
        types=own_types(folder),
        desk=site.desk_settings,
    )


def own_types(folder: Path) -> dict[str, bytes]:
    """The incident type files of a site's own: file name to content."""
    types = folder / "incident-types"
    return type_files(types) if types.is_dir() else {}


def settings_of(folder: Path) -> SiteSettings:
    """The settings of a folder; a city without a name is called as the folder is."""
    settings = read_settings(folder / "site.toml")
    return settings if settings.city else msgspec.structs.replace(settings, city=folder.resolve().name)


def read_settings(path: Path) -> SiteSettings:
    """Reads site.toml; a file that is not there leaves the defaults. An unknown key is an error.

    Paths in it begin at its folder.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as wrong:
        raise SettingsError(f"{path}: wanted settings of a site, got: {wrong.strerror}") from wrong
    return placed(settings_from(data, SiteSettings, str(path)), path.parent)


def time_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; raises SettingsError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as wrong:
        raise SettingsError(f"time zone: wanted a name as the IANA has it (Asia/Shanghai), got {name!r}") from wrong


@functools.cache
def utc_offsets(zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """From when (epoch ms) which offset (s) holds in a zone, from 1990 to 2099; changes are found to the day."""
    found: list[tuple[int, int]] = []
    day, end = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    while day < end:
        offset = day.astimezone(zone).utcoffset() or timedelta()
        if not found or found[-1][1] != int(offset.total_seconds()):
            found.append((0 if not found else int(day.timestamp()) * 1000, int(offset.total_seconds())))
        day += timedelta(days=1)
    return tuple(found)
