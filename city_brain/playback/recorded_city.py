"""What a recording says of the city whose topics it holds: settings that decide, and how its topics were called.

Map and incident types stand in its records of `control`. Neither addresses nor secrets go into a recording.
"""

import json
import tomllib
from typing import Any, Final

import msgspec

from city_brain.bag.reading import Recording
from city_brain.distributed import RawPartitions
from city_brain.errors import RecordingError, SettingsError
from city_brain.kafka.topics import raw_partitions
from city_brain.site import SiteSettings

CITY: Final = "city"
"""The name of the metadata: `city`, `made_by`, `topic_prefix`, `partitions`, `version`."""
SETTINGS: Final = "site.toml"
"""The name of the attachment."""
CAPSULE: Final = "capsule"
"""The name of the metadata of one: `incident_id`, `number`, `type`, `first_tick`, `last_tick`, `digest`."""
_PARTITIONS_MAX: Final = 1024


class RecordedCity(msgspec.Struct, frozen=True, kw_only=True):
    """The city of a recording; names of its topics begin with `topic_prefix`."""

    settings: SiteSettings
    topic_prefix: str = ""
    made_by: str = ""
    """`kafka`: by a recorder of topics; `convert`: of lines, as if they had been sent; `run`: by the tap of a run in
    one process, which holds blocks instead of topics.
    """

    @classmethod
    def read(cls, recording: Recording) -> "RecordedCity":
        """What a recording says; raises RecordingError where it says nothing, or nothing that can be used."""
        if CITY not in recording.metadata or all(entry.name != SETTINGS for entry in recording.attachments):
            told = (
                f"wanted the metadata {CITY} and the attachment {SETTINGS}, which say whose topics it holds, got none"
            )
            raise RecordingError(f"{recording.path}: {told}")
        place = f"{recording.path}, {SETTINGS}"
        try:
            said = tomllib.loads(recording.attachment(SETTINGS).data.decode())
            settings = msgspec.convert(said, SiteSettings)
        except (ValueError, RecursionError) as wrong:
            raise RecordingError(f"{place}: wanted settings of a site, got: {wrong}") from wrong
        if not 1 <= settings.partitions <= _PARTITIONS_MAX:
            raise RecordingError(f"{place}: wanted 1 to {_PARTITIONS_MAX} partitions, got {settings.partitions}")
        try:
            RawPartitions(list(raw_partitions(settings.kafka).values()))
        except SettingsError as wrong:
            raise RecordingError(f"{place}: {wrong}") from wrong
        city = recording.metadata[CITY]
        return cls(settings=settings, topic_prefix=city.get("topic_prefix", ""), made_by=city.get("made_by", ""))


def last_tick_of(recording: Recording) -> int | None:
    """The number of the tick with which a capsule ends; None where it is none. Raises RecordingError where it is no
    number.
    """
    said = recording.metadata.get(CAPSULE, {}).get("last_tick")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= 18):
        raise RecordingError(f"{recording.path}, {CAPSULE}: wanted the number of its last tick, got {said[:100]!r}")
    return int(said)


def decisive(settings: SiteSettings) -> str:
    """A site.toml of what decides what a city says: no address, no secret, no path."""
    said = msgspec.to_builtins(settings)
    lines = [f"{name} = {_toml(said[name])}" for name in ("city", "time_zone", "partitions")]
    tables = {name: said[name] for name in ("ticks", "desk")}
    tables["kafka.raw_partitions"] = said["kafka"]["raw_partitions"]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""])


def _toml(value: Any) -> str:
    """Numbers, texts and arrays are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=True)
