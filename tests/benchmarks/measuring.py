"""Measuring one city: envelopes through decoding, admission, fusion and desk on one core, by stage.

Run as a program it measures the city that its argument describes and prints the result as JSON: so each city has a
process, and a peak of memory, of its own.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.measuring.measured import Measured
from city_brain.measuring.reading import Reading
from city_brain.observations.envelope import from_envelope
from city_brain.replay.comparing import announced
from city_brain.replay.stream import Batch
from city_brain.runner import Runner
from city_brain.site import Site, SiteSettings
from tests.benchmarks.inputs import City, Maker, Second


class MeasuredCity(Measured, frozen=True, kw_only=True):
    """What reading a city of a benchmark took, behind its warm-up; and what was announced of all of it."""

    city: City
    announced: list[Incident]


def measure(city: City) -> MeasuredCity:
    """Reads a city in this process."""
    maker = Maker(city)
    with tempfile.TemporaryDirectory() as folder:
        city_map = Path(folder) / "city.geojson"
        city_map.write_bytes(maker.city_map)
        site = Site.of_map(city_map, None, SiteSettings(city="benchmark"))
    reading, revisions, offsets = Reading(site.runner()), list[Incident](), count()
    for number, second in enumerate(maker.seconds()):
        if number == city.warm_up:
            reading.forget()
        for closed in reading.take(_batches(second, reading.runner, offsets)):
            revisions += closed.record.incidents
    measured = msgspec.structs.asdict(reading.measured())
    return MeasuredCity(**measured, city=city, announced=announced(revisions))


def _batches(second: Second, runner: Runner, offsets: Iterator[int]) -> Iterator[Batch]:
    """One second of the city: its envelopes, then its mark."""
    for envelope in second.envelopes:
        yield partial(runner.read, 0, from_envelope(envelope), next(offsets))
    yield partial(runner.mark, 0, second.mark_ms)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(msgspec.json.decode(sys.argv[1], type=City))))
