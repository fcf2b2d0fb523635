"""A site on the broker whose cameras are recordings that are played as if they were live."""

import json
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from city_brain.kafka.sending import partition_of
from city_brain.kafka.settings import KafkaSettings
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope
from tests.kafka.broker import free_ports
from tests.kafka.sites import a_site, applied
from tests.vision.eyes.drives import STEP_MS, THREE, frames, video
from tests.vision.eyes.fed import several

PARTITIONS = 4
DOWN_AFTER_S = 3.0
DRIVE = frames(THREE, 2500)
"""Played again and again, so that the picture is never still for long."""


def one_in_each(partitions: int = PARTITIONS) -> list[str]:
    """Names of cameras, one for each partition, in their order."""
    names: dict[int, str] = {}
    at = 1
    while len(names) < partitions:
        names.setdefault(partition_of(f"mast-{at}", partitions), f"mast-{at}")
        at += 1
    return [names[partition] for partition in range(partitions)]


def a_city(folder: Path, servers: str, prefix: str, *lines: str, seconds: int, absent: Sequence[str] = ()) -> Path:
    """A folder with a camera for each partition that plays so many seconds, and cameras that nobody answers for."""
    names = one_in_each()
    source = [f'[video.cameras.{name}]\naddress = "drive.avi"' for name in names]
    ports = free_ports(max(len(absent), 1))
    source += [
        f'[video.cameras.{name}]\naddress = "rtsp://127.0.0.1:{port}/live"'
        for name, port in zip(absent, ports, strict=False)
    ]
    video_lines = ("[video]", 'model = "tiny"', f"down_after_s = {DOWN_AFTER_S}", 'networks = ["127.0.0.0/8"]', *source)
    made = a_site(folder, servers, prefix, f"raw_partitions = {{ detections = {PARTITIONS} }}", *lines, *video_lines)
    (made / "city.geojson").write_text(json.dumps(several(*names, *absent)), encoding="utf-8")
    video(made / "drive.avi", islice(cycle(DRIVE), seconds * 1000 // STEP_MS), "MJPG")
    applied(made)
    return made


class Tap:
    """The raw records of a topic since it was opened, or of the `whole` topic, as they come."""

    def __init__(self, settings: KafkaSettings, topic: str, *, whole: bool = False) -> None:
        self._consumer = KafkaConsumer(enable_auto_commit=False, **settings.connection())
        self._topic = settings.topic(topic)
        count = len(self._consumer.partitions_for_topic(self._topic) or ())
        self._consumer.assign([TopicPartition(self._topic, partition) for partition in range(count)])
        (self._consumer.seek_to_beginning if whole else self._consumer.seek_to_end)()
        for partition in range(count):
            self._consumer.position(TopicPartition(self._topic, partition))

    def close(self) -> None:
        """Lets go."""
        self._consumer.close()

    def take(self, wait_ms: int = 200) -> list[tuple[Any, Observations]]:
        """Each record that has come since, and its rows; marks are passed over."""
        found = [record for records in self._consumer.poll(timeout_ms=wait_ms).values() for record in records]
        return [(record, from_envelope(record.value)) for record in found if record.value]


def sources(rows: Observations) -> set[str]:
    """The ids of those who speak."""
    return {rows.strings[at] for at in np.unique(rows.common.source).tolist()}


def words(rows: Observations) -> list[tuple[str, str, float]]:
    """What is told of cameras: who, which word, whether it holds."""
    said = rows.sensors
    columns = (rows.common.source.tolist(), said.quantity.tolist(), said.value.tolist())
    return [(rows.strings[who], rows.strings[word], value) for who, word, value in zip(*columns, strict=True)]
