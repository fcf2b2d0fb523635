"""`python -m tests.feed_chaos.subscribers FOLDER ADDRESS SEED`: readers that keep token and work in one record.

Each works with an event, then keeps it; now and then one breaks off in the middle and starts again from what it kept.
"""

import asyncio
import random
import sys
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

import msgspec

from city_brain.feeds.filters import Polygon, Wanted
from city_brain.feeds.subscription import Delivery
from city_brain.servers.client.feed_reader import Endpoint, FeedReader
from tests.feed_chaos.checker import Filters, digest_of
from tests.feed_chaos.ledger import Ledger, Record, record_of
from tests.feeds.builders import AREAS, TYPES

BREAKS_S: Final = (0.5, 4.0)
"""How long a reader reads before it breaks off."""


def filters(count: int) -> dict[str, Wanted]:
    """Filters of readers by name: some plain ones, then whatever chance makes."""
    chance = random.Random(7)
    made = [
        Wanted(),
        Wanted(types=("fire",), states=("active",), minimum_confidence=0.8),
        Wanted(minimum_level="I", area_codes=(AREAS[2],)),
        Wanted(area=Polygon(((116.98331, 36.63331), (117.01667, 36.63331), (117.00003, 36.66667)))),
    ]
    while len(made) < count:
        made.append(
            Wanted(
                types=tuple(sorted(chance.sample(sorted(TYPES.by_name), chance.randrange(1, 3)))),
                states=("active",) if chance.random() < 0.7 else (),
                minimum_level=chance.choice(("I", "II", "")),
                minimum_confidence=chance.choice((0.0, 0.5, 0.9)),
                area_codes=(chance.choice(AREAS),) if chance.random() < 0.5 else (),
            )
        )
    return {f"reader-{at:02d}": wanted for at, wanted in enumerate(made[:count])}


async def read_on(folder: Path, name: str, wanted: Wanted, address: str, chance: random.Random) -> None:
    """Reads for ever, and breaks off now and then, with what it has not kept."""
    ledger = Ledger(folder / f"{name}.ledger")
    while True:
        token = ledger.token
        ledger.write(Record("start"))
        reader = FeedReader(
            Endpoint(address),
            wanted,
            token=token,
            jitter=lambda: 0.1 * chance.random(),
            credit=chance.choice((10, 500)),
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(*BREAKS_S)):
                async with aclosing(reader.events()) as events:
                    async for event in events:
                        said = digest_of(event.incident) if isinstance(event, Delivery) else ""
                        ledger.write(record_of(event, said))


async def main() -> None:
    """Reads for all subscribers of the folder."""
    folder, address, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    wanted = msgspec.json.decode((folder / "filters.json").read_bytes(), type=Filters)
    names = sys.argv[4:]
    await asyncio.gather(
        *(read_on(folder, name, wanted.by_name[name], address, random.Random(f"{seed} {name}")) for name in names)
    )


if __name__ == "__main__":
    asyncio.run(main())
