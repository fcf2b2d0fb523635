"""The far end of the mission: a province to which the city reports over a link that is cut, and that is killed."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, Self

import grpc.aio
import msgspec

from city_brain.incidents.incident import Incident, ProvincialIncident
from city_brain.province.serving.client import list_cities
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, SignOfLife, Snapshot
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from city_brain.wire.province.v1 import province_pb2
from tests.house import ROOT
from tests.kafka.broker import free_ports
from tests.proxy import ThreadedProxy

CODE: Final = "370100"
"""Of the city, in its province."""
CUT_S: Final = 3.0
PATIENCE_S: Final = 60.0


class Province:
    """A province as a process, behind a link that can be cut; `settings` is what the city's site.toml says of it."""

    def __init__(self, folder: Path, step: Callable[[str], None]) -> None:
        self._folder, self._step = folder / "province", step
        self._folder.mkdir(parents=True)
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self._proxy = ThreadedProxy(self.address, seed=1)
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_s = 0.0
        self._stage = 0
        (self._folder / "province.toml").write_text(
            f'code = "370000"\nname = "Shandong"\ncities = {{{CODE} = "city"}}\n\n[feed]\naddress = "{self.address}"\n',
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        self._proxy.__enter__()
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._proxy.__exit__()

    @property
    def settings(self) -> str:
        """The table of site.toml."""
        return f'[province]\naddress = "{self._proxy.address}"\ncity_code = "{CODE}"'

    def trouble(self) -> None:
        """To be called again and again once the city has something to say: cuts the link, mends it, then kills."""
        now_s = time.monotonic()
        if self._stage == 0:
            self._proxy.cut(True)
            self._step("cut the link to the province")
        elif self._stage == 1 and now_s - self._begun_s > CUT_S:
            self._proxy.cut(False)
            self._step("mended the link")
        elif self._stage == 2 and now_s - self._begun_s > CUT_S:
            self._end()
            self._start()
            self._step("killed the province, and started it again")
        else:
            return
        self._stage, self._begun_s = self._stage + 1, now_s

    async def told(
        self, incident: Incident, language: str
    ) -> tuple[ProvincialIncident, feed_pb2.ExplainIncidentResponse]:
        """What the province says of an incident of the city, and why it is believed, once it has this revision.

        Raises TimeoutError where that does not come.
        """
        while self._stage < 3:
            self.trouble()
            await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            found = await self._find(incident)
            async with grpc.aio.insecure_channel(self.address) as channel:
                stub = feed_pb2_grpc.FeedServiceStub(channel)  # type: ignore[no-untyped-call]
                asked = feed_pb2.ExplainIncidentRequest(name=f"incidents/{found.incident_id}", language_code=language)
                return found, await stub.ExplainIncident(asked)

    async def _find(self, incident: Incident) -> ProvincialIncident:
        async with aclosing(FeedReader(Endpoint(self.address), jitter=lambda: 0.1).events()) as events:
            async for event in events:
                if isinstance(event, SignOfLife) or not hasattr(event, "number"):
                    continue
                for said in event.incidents if isinstance(event, Snapshot) else (event.incident,):
                    if isinstance(said, ProvincialIncident) and any(
                        (member.incident_id, member.revision) == (incident.incident_id, incident.revision)
                        for member in said.members
                    ):
                        return said
        raise TimeoutError

    def city(self) -> province_pb2.City:
        """How the link stands, once both ends have compared all that the city has; else as it is after a while."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            (city,) = list_cities(Endpoint(self.address))
            same = city.compared_change_number == city.change_number == city.city_change_number
            if (city.agrees and same) or time.monotonic() > until_s:
                return city
            time.sleep(0.2)

    def _start(self) -> None:
        with (self._folder / "province.log").open("ab") as log:
            words = [sys.executable, "-m", "city_brain", "province", str(self._folder)]
            self._process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def at_home(incident: ProvincialIncident) -> Incident:
    """The incident with its sources named as its city names them."""
    own = {field: getattr(incident, field) for field in Incident.__struct_fields__}
    pieces = tuple(
        msgspec.structs.replace(piece, sources=tuple(source.partition("/")[2] for source in piece.sources))
        for piece in incident.evidence
    )
    return Incident(**(own | {"evidence": pieces}))
