"""`python -m tests.kafka.streams.silence SITE LIMIT_S SILENT_S SLOW_S`: a record after a silence, taken slowly.

Ends with 0 unless the watchdog ends it.
"""

import sys
import time
from pathlib import Path

from city_brain.kafka.connecting import producer
from city_brain.kafka.topics import OBSERVATIONS
from streams.watchdog import Watchdog
from tests.kafka.sites import kafka_settings


def main(site: Path, limit_s: float, silent_s: float, slow_s: float) -> None:
    """Nothing for `silent_s`, then a record that is taken after `slow_s`, then nothing for longer than the limit."""
    kafka = kafka_settings(site)
    topic = kafka.topic(OBSERVATIONS)
    watchdog = Watchdog(kafka, limit_s)
    watchdog.begin({(topic, 0): 0})
    watchdog.start()
    with producer(kafka) as client:
        time.sleep(silent_s)
        client.send(topic, b"late", partition=0).get(30.0)
        time.sleep(slow_s)
        watchdog.saw(topic, 0, 0)
        time.sleep(2.0 * limit_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
