"""What is on its way to Kafka is stored before anything is said to depend on it, however many wait for it."""

import asyncio
from types import SimpleNamespace

from streams.metrics import Metrics
from streams.outbox import Outbox, Outgoing


class Broker:
    """Takes records as a client does, and stores them when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []

    async def send(self, *_: object) -> asyncio.Future[None]:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def store(self, count: int) -> None:
        for future in [future for future in self.waiting if not future.done()][:count]:
            future.set_result(None)


def test_whoever_waits_second_waits_for_all_of_it() -> None:
    """A snapshot must not go ahead of records that somebody else is waiting for already."""

    async def play() -> None:
        broker = Broker()
        outbox = Outbox(SimpleNamespace(producer=broker, program=SimpleNamespace(metrics=Metrics("fuse"))))
        for _ in range(3):
            await outbox.send(Outgoing("ticks", b"tick"))
        first, second = (asyncio.ensure_future(outbox.stored()) for _ in range(2))
        await asyncio.sleep(0)
        broker.store(2)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not first.done() and not second.done()
        broker.store(1)
        await asyncio.wait_for(asyncio.gather(first, second), 5.0)
        await asyncio.wait_for(outbox.stored(), 5.0)

    asyncio.run(play())
