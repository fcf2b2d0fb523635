"""Topics read back from their beginning to the end that they have now, without any program of ours in between."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from city_brain.kafka.settings import KafkaSettings


def read_log(settings: KafkaSettings, topic: str, partition: int = 0) -> Iterator[Any]:
    """The records of a partition of a topic (its name without the prefix), in the order of their offsets."""
    place = TopicPartition(settings.topic(topic), partition)
    with closing(KafkaConsumer(enable_auto_commit=False, max_poll_records=5_000, **settings.connection())) as consumer:
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        consumer.seek_to_beginning(place)
        while consumer.position(place) < end:
            for record in consumer.poll(timeout_ms=1_000).get(place, ()):
                if record.offset < end:
                    yield record
