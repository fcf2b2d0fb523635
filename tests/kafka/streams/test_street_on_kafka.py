"""The street on a real broker says what the street in one process says over the same raw records, byte for byte."""

from pathlib import Path

import msgspec
import pytest

from city_brain.city.loading import city_to_geojson
from city_brain.kafka.admin import apply
from city_brain.kafka.topics import INCIDENTS
from city_brain.site import Site
from tests.distributed import kit
from tests.kafka.sites import a_site, kafka_settings
from tests.kafka.streams.fleet import Fleet, read_all, write_raw

ONE_EACH = "raw_partitions = { detections = 1, signals = 1, sensors = 1, reports = 1 }"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_it_says_what_one_process_says(kafka: str, prefix: str, tmp_path: Path, workers: int) -> None:
    """With one and with two workers of each program."""
    partitions = 2
    folder = a_site(
        tmp_path / "city", kafka, prefix, ONE_EACH, "replayed = true", top=f'city = "city"\npartitions = {partitions}'
    )
    (folder / "city.geojson").write_bytes(city_to_geojson(kit.city()[0].city))
    settings = kafka_settings(folder)
    apply(settings, partitions)
    wanted = kit.oracle(partitions, Site.open(folder).desk_settings)
    fleet = Fleet(folder)
    try:
        for program in ("ingest", "fuse", "desk"):
            for slot in range(workers):
                fleet.start(program, str(slot))
        write_raw(settings, kit.raw_logs(), fleet.check)
        records = read_all(settings, INCIDENTS, lambda found: _ticks(found) >= len(wanted), fleet)
    finally:
        fleet.end()
    assert list(dict.fromkeys(record.value for record in records)) == wanted


def _ticks(records: list[object]) -> int:
    return len({msgspec.json.decode(record.value)["tick"] for record in records})  # type: ignore[attr-defined]
