"""Three cities and their province as programs on this machine: links are cut, programs killed, and nothing is lost.

One synthetic city is cut in two along a meridian, so that an event on the border is seen by both halves; a third city
lies elsewhere. While they run, the link of one is cut for a while, another city and the province are killed (SIGKILL)
and started again. In the end counts and digests of both ends are compared, and what the province made of the event on
the border is shown.
"""

import asyncio
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from city_brain.incidents.incident import Incident, ProvincialIncident, incident_line
from city_brain.province.books.province_book import FEED, mirror_name
from city_brain.store.store import Store
from city_brain.synth.files import OBSERVATIONS
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc
from tests.house import ROOT
from tests.province.world import Event, cut_in_two, write_city
from tests.proxy import Proxy

CITIES = {"370100": "west", "370200": "east", "370300": "elsewhere"}
RATE = 10.0
"""Seconds of the cities to a second of the wall."""
STARTS_S = 60.0
ENDS_S = 180.0
NEAR_M = 60.0
_METRES = 111_320.0


class FailedError(Exception):
    """Something that was to happen did not."""


@dataclass(slots=True)
class Program:
    """A `city-brain` process; what it says is in a file."""

    words: tuple[object, ...]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self, pattern: str) -> str:
        """Starts it, and waits for what it says when it serves."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as out:
            offset = out.tell()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "city_brain", *map(str, self.words),
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
            )  # fmt: skip
        until = time.monotonic() + STARTS_S
        while time.monotonic() < until and self.process.returncode is None:
            found = re.search(pattern, self.log.read_bytes()[offset:].decode("utf-8", "replace"))
            if found:
                return found[1]
            await asyncio.sleep(0.05)
        raise FailedError(f"{self.words[0]}: wanted it to serve, got: {self.log.read_text('utf-8')[-2_000:]}")

    async def kill(self) -> None:
        """SIGKILL; it can do nothing about it."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold."""

    holds: bool
    what: str

    def __str__(self) -> str:
        return f"  {'ok   ' if self.holds else 'WRONG'}  {self.what}"


@dataclass
class Demo:
    """The demo in one folder; `tell` is told how it goes."""

    folder: Path
    minutes: float = 4.0
    cameras: int = 24
    began_s: float = field(default_factory=time.monotonic)
    programs: dict[str, Program] = field(default_factory=dict)

    def tell(self, text: str) -> None:
        """Progress, on standard error."""
        print(f"{time.monotonic() - self.began_s:6.1f} s  {text}", file=sys.stderr, flush=True)

    async def run(self) -> list[Check]:
        """All of it; raises FailedError where it cannot go on."""
        event = self._make()
        async with Proxy("127.0.0.1:1") as proxy:
            try:
                await self._happen(proxy)
                told = await self._same(proxy.target)
            finally:
                await asyncio.gather(*(program.kill() for program in self.programs.values()))
        return [*self._compare(told), *self._border(event)]

    def _make(self) -> Event:
        self.tell("making a city, cutting it in two at a crash, and another city")
        write_city(self.folder / "whole", 5, self.cameras, self.minutes, 40)
        event = cut_in_two(self.folder / "whole", self.folder / "370100", self.folder / "370200")
        write_city(self.folder / "370300", 8, self.cameras // 2, self.minutes)
        province = self.folder / "province"
        province.mkdir(exist_ok=True)
        names = ", ".join(f'{code} = "{name}"' for code, name in CITIES.items())
        settings = f'code = "370000"\nname = "Shandong"\ncities = {{{names}}}\n\n[feed]\naddress = "127.0.0.1:0"\n'
        (province / "province.toml").write_text(settings, "utf-8")
        return event

    async def _happen(self, proxy: Proxy) -> None:
        """Cities run; a cut, a killed city, a killed province."""
        proxy.target = await self._start_province()
        for code in CITIES:
            toml = f'city = "{CITIES[code]}"\n\n[province]\naddress = "{proxy.address}"\ncity_code = "{code}"\n'
            (self.folder / code / "site.toml").write_text(toml, "utf-8")
            await self._start_city(code)
        part_s = self.minutes * 60.0 / RATE / 5.0
        await asyncio.sleep(part_s)
        proxy.cut()
        self.tell("cut the links; the cities go on")
        await asyncio.sleep(part_s)
        proxy.mend()
        self.tell("mended the links")
        await asyncio.sleep(part_s)
        await self.programs["370200"].kill()
        self.tell("killed the city in the east")
        await self._start_city("370200")
        await asyncio.sleep(part_s / 2)
        await self.programs["province"].kill()
        self.tell("killed the province")
        proxy.target = await self._start_province()

    async def _start_province(self) -> str:
        program = self.programs.setdefault(
            "province", Program(("province", self.folder / "province"), self.folder / "province.log")
        )
        address = await program.start(r"serving province \S+ on (\S+);")
        self.tell(f"the province serves on {address}")
        return address

    async def _start_city(self, code: str) -> None:
        site = self.folder / code
        words = ("run", site, "--from", site / OBSERVATIONS, "--listen", "127.0.0.1:0", "--rate", RATE)
        program = self.programs.setdefault(code, Program(words, self.folder / f"{code}.log"))
        await program.start(r"serving the incident feed on (\S+);")
        self.tell(f"city {CITIES[code]} ({code}) runs")

    async def _same(self, address: str) -> dict[str, province_pb2.City]:
        """Waits until every city has read all of its input and the province has all of it."""
        last_ms = dict.fromkeys(CITIES)
        until = time.monotonic() + self.minutes * 60.0 / RATE + ENDS_S
        quiet_since = time.monotonic()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = province_pb2_grpc.ProvinceServiceStub(channel)  # type: ignore[no-untyped-call]
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                try:
                    answer = await stub.ListCities(province_pb2.ListCitiesRequest(), timeout=10.0)
                except grpc.aio.AioRpcError:
                    continue
                told = {city.city_code: city for city in answer.cities}
                now_ms = {code: city.log_time.ToMilliseconds() for code, city in told.items()}
                if now_ms != last_ms or not all(city.linked and _agree(city) for city in told.values()):
                    last_ms, quiet_since = now_ms, time.monotonic()
                if time.monotonic() - quiet_since > 12.0:
                    self.tell("the cities have read all that there is, and the province has it")
                    return told
        raise FailedError(f"province: wanted all of every city, got {told}")

    def _compare(self, told: dict[str, province_pb2.City]) -> list[Check]:
        """Counts and digests as both ends have them on their disks, and as the province says."""
        checks = []
        with Store.open(f"sqlite:///{self.folder}/province/province.sqlite") as there:
            for code, name in CITIES.items():
                with Store.open(f"sqlite:///{self.folder}/{code}/feed.sqlite") as here:
                    feed = here.feed(here.names()[0])
                    mine = feed.head()
                    mirror = there.feed(mirror_name(code, mine.feed_id)).head()
                    same = (mine.last_number, mine.digest) == (mirror.last_number, mirror.digest)
                    said = told[code].agrees and told[code].digest.hex() == mine.digest
                    checks.append(
                        Check(
                            bool(same and said and mine.last_number),
                            f"{code} {name:9}  city {mine.last_number:4} changes {mine.digest[:16]}"
                            f"  province {mirror.last_number:4} changes {mirror.digest[:16]}",
                        )
                    )
            members = Counter(
                (member.city, member.incident_id)
                for incident in _held(there)
                if not (incident.reason or "").startswith("merged_into:")
                for member in incident.members
            )
            twice = [key for key, count in members.items() if count > 1]
            checks.append(Check(not twice, f"{len(members)} incidents of cities, each in one of the province"))
            lines = [change.incident for change in there.feed(FEED, ProvincialIncident).changes(0, 100_000)]
            revisions = Counter((incident.incident_id, incident.revision) for incident in lines)
            checks.append(Check(max(revisions.values()) == 1, f"{len(lines)} changes of the province, none twice"))
            damage = there.check().damage
            checks.append(Check(not damage, f"the store of the province is as it was written{damage or ''}"))
        return checks

    def _border(self, event: Event) -> list[Check]:
        """The event on the border: one provincial incident, with the ids of both cities."""
        with Store.open(f"sqlite:///{self.folder}/province/province.sqlite") as there:
            near = [one for one in _held(there) if one.type == event.type and _apart_m(one, event) <= NEAR_M]
        alarms = [one for one in near if one.detected_ms is not None and not (one.reason or "").startswith("merged")]
        members = [f"{member.city}:{member.incident_id}" for one in alarms for member in one.members]
        both = {member.split(":")[0] for member in members} == {"370100", "370200"}
        shown = [f"      {incident_line(one)[:160].decode()}…" for one in alarms]
        what = f"the {event.type} on the border is {len(alarms)} incident of the province, of {' and '.join(members)}"
        return [Check(len(alarms) == 1 and both, "\n".join([what, *shown]))]


def _agree(city: Any) -> bool:
    return bool(city.agrees and city.compared_change_number == city.change_number == city.city_change_number)


def _held(store: Store) -> Sequence[ProvincialIncident]:
    found = (one.incident for one in store.feed(FEED, ProvincialIncident).held())
    return [incident for incident in found if isinstance(incident, ProvincialIncident)]


def _apart_m(incident: Incident, event: Event) -> float:
    """Roughly, which is enough to find it."""
    return _METRES * max(abs(incident.lat - event.lat), abs(incident.lon - event.lon))
