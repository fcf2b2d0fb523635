"""`python -m streams.desk SITE`: tick records of all partitions of fusion in, the city's tick records out."""

import msgspec

from city_brain.distributed import CityDesk
from city_brain.distributed.city_desk import CityTick
from city_brain.kafka.topics import DESK_STATE, FUSION_TICKS, INCIDENTS
from streams.command import run_program
from streams.outbox import Outgoing
from streams.stateful import StatefulProgram

HEARTBEAT_HEADER = "heartbeat"
"""Who spoke, as JSON, beside the record; the record itself is the city's canonical line."""


class Desk(StatefulProgram):
    """`fusion.ticks` has one partition, so the group gives the whole city to one desk; others stand by."""

    name, input_topic, state_topic = "desk", FUSION_TICKS, DESK_STATE

    def new_work(self, partition: int) -> CityDesk:
        """A desk that has read nothing."""
        return CityDesk(self.site.name, self.site.configurations)

    def outgoing(self, partition: int, said: CityTick) -> Outgoing:
        """One record per tick of the city."""
        heartbeat = msgspec.json.encode(said.heartbeat)
        return Outgoing(
            self.kafka.topic(INCIDENTS),
            said.record.to_line(),
            key=said.record.city.encode(),
            partition=partition,
            headers=((HEARTBEAT_HEADER, heartbeat),),
        )

    def show(self, partition: int, said: CityTick) -> int:
        """Rows are counted by fusion."""
        return said.record.due_ms


if __name__ == "__main__":
    run_program(Desk)
