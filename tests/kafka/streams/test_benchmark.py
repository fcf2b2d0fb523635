"""The benchmark on Kafka measures what it says: tiny runs of its parts on the tests' broker, outputs compared."""

from pathlib import Path

import pytest

from tests.benchmarks.kafka import street
from tests.benchmarks.kafka.join import running as join


def test_the_street_is_measured_and_says_what_one_process_says(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A small city in small envelopes."""
    case = street.Case(envelope=64, sources=60, seconds=5)
    found = street.measure(case, street.Life(case.sources, case.seconds), kafka, tmp_path, prefix)
    assert found.same and found.ticks > 5
    assert found.rows > 100 and found.mean_envelope > 1
    assert min(found.per_core, found.per_wall_second, *found.program_us.values()) > 0


@pytest.mark.slow
def test_the_join_gives_the_same_hits_in_each_form(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Event by event in plain Faust, and on envelopes as the street is written; others need a bench."""
    size = join.Size(json_rows=6_000, batch_rows=60_000, envelope=256, repetitions=1)
    chosen = [variant for variant in join.VARIANTS if not variant.system]
    found, in_memory = join.measure(size, kafka, tmp_path, chosen, prefix)
    assert [one.same for one in found] == [True, None, True, None]
    assert in_memory > 0 and all(one.median > 0 for one in found)
