"""All links break at once: how long until every reader has caught up again."""

import asyncio
import os

import msgspec

from city_brain.feeds.filters import Wanted
from tests.benchmarks.feed import city
from tests.benchmarks.feed.case import Case, Served, Storm
from tests.benchmarks.feed.running import Spoken, speaking, tell, told
from tests.benchmarks.feed.slow import SlowReader, come_back

_TOGETHER_S = 3.0
"""For so long all watch before their links break."""
_AWAY_S = 5.0
"""For so long they are away, while changes go on."""


def storm(case: Case, readers: int) -> Storm:
    """Lets as many readers watch, breaks their links, and lets all dial at once while changes go on."""
    case = msgspec.structs.replace(case, readers=readers)
    wanted = city.wanted(case)
    with speaking("server", case) as server:
        return asyncio.run(_stormed(case, server, told(server), wanted))


async def _stormed(case: Case, server: Spoken, address: str, wanted: list[Wanted]) -> Storm:
    crowd = [SlowReader(address, one) for one in wanted]
    await come_back(crowd, 0)
    tell(server, "begin")
    served = asyncio.create_task(asyncio.to_thread(told, server))
    reading = [asyncio.create_task(one.until(case.changes)) for one in crowd]
    await asyncio.sleep(_TOGETHER_S)
    before = min(one.number for one in crowd)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await asyncio.gather(*(one.go() for one in crowd))
    await asyncio.sleep(_AWAY_S)
    # A city that appends once a second has appended so much by now, at least.
    now = int(case.changes_per_second * (_TOGETHER_S + _AWAY_S - 1.0))
    caught_up_s, median_s = await come_back(crowd, now)
    last = msgspec.json.decode(await served, type=Served).last_number
    await asyncio.gather(*(one.until(last) for one in crowd))
    must = list(city.expected(case, wanted))
    missing = sum(len(set(one.numbers) ^ set(numbers)) for one, numbers in zip(crowd, must, strict=True))
    twice = sum(len(one.numbers) - len(set(one.numbers)) for one in crowd)
    await asyncio.gather(*(one.go() for one in crowd))
    return Storm(
        readers=len(crowd),
        behind=now - before,
        caught_up_s=caught_up_s,
        median_s=median_s,
        missing=missing + twice,
        load=os.getloadavg()[0] / (os.cpu_count() or 1),
    )
