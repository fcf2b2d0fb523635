"""`python -m streams.fuse SITE`: parcels of observations in, the tick records of their partitions of fusion out."""

from city_brain.distributed import FusePartition
from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.topics import FUSION_STATE, FUSION_TICKS, OBSERVATIONS, raw_partitions
from streams.command import logger, run_program
from streams.outbox import Outgoing
from streams.stateful import StatefulProgram


class Fuse(StatefulProgram):
    """Each partition of `observations` is a partition of fusion."""

    name, input_topic, state_topic = "fuse", OBSERVATIONS, FUSION_STATE

    def new_work(self, partition: int) -> FusePartition:
        """A partition of fusion that has read nothing."""
        return FusePartition(self.site.configurations, sum(raw_partitions(self.kafka).values()), partition)

    def outgoing(self, partition: int, said: PartitionTick) -> Outgoing:
        """One record per tick, by the number of its partition."""
        key = str(partition).encode()
        return Outgoing(self.kafka.topic(FUSION_TICKS), said.to_bytes(), key=key, partition=0)

    def show(self, partition: int, said: PartitionTick) -> int:
        """Where the rows of its partition have ended, and which rules have failed."""
        self.metrics.rows(partition, said.counters)
        for name in self.metrics.failed(partition, said.failures):
            place = {"topic": self.inputs[0], "partition": partition}
            logger.error(
                "incident type %s: its detector raised in tick %d and was skipped", name, said.tick, extra=place
            )
        return said.due_ms


if __name__ == "__main__":
    run_program(Fuse)
