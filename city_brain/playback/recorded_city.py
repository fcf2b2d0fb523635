"""What a recording says of the city whose topics it holds: what decides beside the rows and `control`, and how topics
were called. Neither addresses nor secrets.
"""

from typing import Final

import msgspec

from city_brain.bag.container.mcap import Attachment
from city_brain.bag.reading import Recording
from city_brain.distributed import RawPartitions
from city_brain.errors import RecordingError, SettingsError
from city_brain.kafka.topics import raw_partitions
from city_brain.site import SiteSettings
from city_brain.ticks.tick import TickSettings

CITY: Final = "city.json"
"""The name of the attachment."""


class RecordedCity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The city of a recording. `raw_partitions`: partitions of each raw topic, in their order; names of topics begin
    with `topic_prefix`.
    """

    city: str
    partitions: int
    ticks: TickSettings
    raw_partitions: dict[str, int]
    topic_prefix: str = ""

    @classmethod
    def of(cls, settings: SiteSettings) -> "RecordedCity":
        """What the settings of a site say."""
        return cls(
            city=settings.city or "city",
            partitions=settings.partitions,
            ticks=settings.ticks,
            raw_partitions=raw_partitions(settings.kafka),
            topic_prefix=settings.kafka.topic_prefix,
        )

    @classmethod
    def read(cls, recording: Recording) -> "RecordedCity":
        """What a recording says; raises RecordingError where it says nothing, or nothing that can be used."""
        if all(entry.name != CITY for entry in recording.attachments):
            told = f"wanted the attachment {CITY}, which says whose topics it holds, got none"
            raise RecordingError(f"{recording.path}: {told}")
        place = f"{recording.path}, {CITY}"
        try:
            found = msgspec.json.decode(recording.attachment(CITY).data, type=cls)
            found.raw()
        except (msgspec.MsgspecError, UnicodeError, SettingsError) as wrong:
            raise RecordingError(f"{place}: wanted a city, got: {wrong}") from wrong
        if not 1 <= found.partitions <= 1 << 10:
            raise RecordingError(f"{place}: wanted 1 to 1,024 partitions, got {found.partitions}")
        return found

    def attachment(self) -> Attachment:
        """What goes into the recording."""
        data = msgspec.json.encode(self)
        return Attachment(log_ns=0, created_ns=0, name=CITY, media_type="application/json", data=data)

    def raw(self) -> RawPartitions:
        """The numbers of its raw partitions."""
        return RawPartitions(list(self.raw_partitions.values()))

    def settings(self) -> SiteSettings:
        """Settings of a site that decides as it did."""
        return SiteSettings(city=self.city, partitions=self.partitions, ticks=self.ticks)
