"""`python -m streams.clock SITE`: writes marks into every raw partition. Log time moves by them alone.

A mark is an empty record; its time is the stamp that the broker gives it, so several clocks may run and none is right
or wrong. A clock that cannot write ends: without one the city stands still, and says so. Where
the log is a recording (`replayed = true`), the marks are those that were recorded, and the clock refuses to run.
"""

import time
from pathlib import Path

import typer

from city_brain.distributed import MARK_HEADER, MARK_KEY
from city_brain.errors import SettingsError
from city_brain.kafka.connecting import producer
from city_brain.kafka.topics import raw_partitions
from city_brain.site import SiteSettings, read_settings
from streams.command import LogOption, MetricsOption, NameOption, SiteArgument, prepare, told, told_to
from streams.health import Health, serve_health
from streams.logs import LogForm
from streams.metrics import Metrics


def check_live(site: Path, settings: SiteSettings) -> None:
    """Raises SettingsError where the log is a recording: marks of today among its own would spoil it."""
    if settings.kafka.replayed:
        told = "got a recording, which brings its own marks: replayed = true"
        raise SettingsError(f"{site}/site.toml: wanted live topics for the clock, {told}")


def clock(
    site: SiteArgument,
    slot: NameOption = "",
    log: LogOption = LogForm.JSON,
    metrics: MetricsOption = "",
) -> None:
    """Marks the raw topics until stopped; 0 after SIGTERM."""
    lines = prepare("clock", slot, log)
    settings = told_to(read_settings(site / "site.toml"), metrics, lines)
    check_live(site, settings)
    figures, health = Metrics("clock"), Health(settings.workers.stalled_after_s)
    serve_health(settings.workers, figures.registry, health)
    pause_s = 1.0 / settings.workers.marks_per_s
    places = [
        (settings.kafka.topic(name), partition)
        for name, count in raw_partitions(settings.kafka).items()
        for partition in range(count)
    ]
    with producer(settings.kafka, linger_ms=0) as client:
        next_s = time.monotonic()
        while True:
            sent = [
                client.send(topic, b"", key=MARK_KEY, partition=partition, headers=[(MARK_HEADER, b"")])
                for topic, partition in places
            ]
            for mark in sent:
                mark.get(timeout=settings.kafka.request_wait_s)
            for topic, _ in places:
                figures.outgoing(topic)
            health.ready()
            health.beat()
            next_s = max(next_s + pause_s, time.monotonic() - pause_s)
            time.sleep(max(next_s - time.monotonic(), 0.0))


if __name__ == "__main__":
    told(lambda: typer.run(clock))
