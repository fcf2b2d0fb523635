"""A city and a province as programs of their own, which may die at a named point.

    python -m tests.province.programs city STORE CODE PROVINCE COUNT    grows to so many changes, reports them, goes on
    python -m tests.province.programs province FOLDER ADDRESS           serves until it is killed

The city's feed is the same at every start: what is there is compared, and what is missing is added. It grows to a third
before it is linked, and on while it reports, so several windows travel.
"""

import asyncio
import sys
import time
from pathlib import Path
from threading import Thread

from city_brain.province.serving.forwarder import Forwarder
from city_brain.province.serving.pauses import Pauses
from city_brain.province.serving.program import ProvinceProgram
from city_brain.province.settings import ProvinceSettings, ReportSettings
from city_brain.servers.settings import ListenSettings
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from tests.feeds.builders import NAMES, START_MS, TYPES, an_incident
from tests.province.dying import DyingCity, DyingProvince

CITIES = {"370100": "Jinan", "370200": "Qingdao"}
TICK_S = 0.04


def ticks(code: str, count: int) -> list[TickChanges]:
    """So many ticks of a change each: every incident begins, and ends two ticks later."""
    found = []
    for at in range(count):
        now_ms, (number, over) = START_MS + 1_000 * at, divmod(at, 2)
        said = {"lat": 36.0 + 0.01 * number, "position_error_m": 1.0, "updated_ms": now_ms}
        if over:
            incident = an_incident(f"{code}-{number}", 2, state="ended", ended_ms=now_ms, **said)
        else:
            incident = an_incident(f"{code}-{number}", **said)
        found.append(TickChanges(tick=at, log_time_ms=now_ms, incidents=(incident,)))
    return found


def city(store: str, code: str, province: str, count: int) -> None:
    """Never ends by itself."""
    opened = Store.open(store)
    book = DyingCity(opened, lambda: opened.feed(code), lambda: NAMES)
    forwarder = Forwarder(ReportSettings(address=province, city_code=code), book, CITIES[code], Pauses(lambda: 0.1))

    def grow() -> None:
        for at, tick in enumerate(ticks(code, count)):
            while at == count // 3 and not forwarder.now.up:
                time.sleep(TICK_S)
            opened.feed(code).append(f"{code}-feed", [tick])
            time.sleep(TICK_S)

    Thread(target=grow, daemon=True).start()
    asyncio.run(forwarder.run())


def province(folder: str, address: str) -> None:
    """Never ends by itself."""
    settings = ProvinceSettings(code="370000", cities=CITIES, feed=ListenSettings(address=address))
    program = ProvinceProgram(Path(folder), settings, TYPES, DyingProvince)
    asyncio.run(program.run(lambda address: print(f"serving on {address}", flush=True)))


if __name__ == "__main__":
    kind, *words = sys.argv[1:]
    if kind == "city":
        city(words[0], words[1], words[2], int(words[3]))
    else:
        province(words[0], words[1])
