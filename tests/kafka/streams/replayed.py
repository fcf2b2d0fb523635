"""The small city of the tests of the distributed street as a site on Kafka, replayed with its own stamps."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from city_brain.city.loading import city_to_geojson
from city_brain.kafka.admin import apply
from city_brain.kafka.control import announce
from city_brain.pipeline.configuration import Change
from city_brain.site import written
from tests.distributed import kit
from tests.kafka.sites import a_site, kafka_settings
from tests.kafka.streams.fleet import Fleet

PARTITIONS = 2
ONE_EACH = "raw_partitions = { detections = 1, signals = 1, sensors = 1, reports = 1 }"


@contextmanager
def replayed_city(
    folder: Path,
    servers: str,
    prefix: str,
    *lines: str,
    partitions: int = PARTITIONS,
    city_map: bytes = b"",
    announced: bool = True,
) -> Iterator[Fleet]:
    """Its folder with topics and the first configuration, and nothing that runs yet; `lines` follow in site.toml. All
    programs end at the end. `announced`: without it the first configuration is left to who feeds the city.
    """
    top = f'city = "city"\npartitions = {partitions}'
    site = a_site(folder / "city", servers, prefix, ONE_EACH, "replayed = true", *lines, top=top)
    (site / "city.geojson").write_bytes(city_map or city_to_geojson(kit.city()[0].city))
    apply(kafka_settings(site), partitions)
    if announced:
        announce(kafka_settings(site), Change(since_ms=0, configuration=written(site)))
    fleet = Fleet(site)
    try:
        yield fleet
    finally:
        fleet.end()


def http(port: int, path: str) -> tuple[int, str]:
    """What a program answers; code 0 where it does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as wrong:
        with wrong:
            return wrong.code, wrong.read().decode()
    except OSError:
        return 0, ""
