"""The mission: devices to Kafka to fusion to gRPC to a province that shows one incident, and whether all holds."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from city_brain.cli.common import plural
from city_brain.incidents.incident import Incident, ProvincialIncident
from city_brain.kafka.admin import apply
from city_brain.scoring import read_truth
from city_brain.servers.client.printing import incident_text, instants_in
from city_brain.servers.codec.incidents import incident_from_proto
from city_brain.site import Site, time_zone
from city_brain.wire.feed.v1 import feed_pb2
from tests.chaos.checker import check
from tests.chaos.crew import Crew
from tests.chaos.oracle import Oracle
from tests.chaos.scenario import Player
from tests.kafka.broker import free_ports
from tests.kafka.sites import a_site
from tests.mission import checks
from tests.mission.camera import CAMERA, stored
from tests.mission.checks import Check
from tests.mission.client import Client
from tests.mission.province import Province
from tests.mission.recorded import of_recording
from tests.mission.world import SETTINGS, StagedCity

PROGRAMS: Final = {"ingest": 1, "fuse": 1, "desk": 1, "serve": 1}
"""No clock: a recording brings its own marks."""
PATIENCE_S: Final = 60.0
"""Without any progress for so long, something hangs."""
QUIET_S: Final = 5.0
"""For what is being sent, so that nobody misses the broker when it goes."""


class FailedError(Exception):
    """The mission cannot go on; the message says what was wanted and what was got."""


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Mission:
    """One mission on a broker, in a folder of its own."""

    servers: str
    folder: Path
    language: str = "en"
    began_s: float = field(default_factory=time.monotonic)
    city: StagedCity = field(default_factory=StagedCity)
    _announced: set[str] = field(default_factory=set)

    def run(self) -> list[Check]:
        """Goes the whole way, prints the incident on standard output, and answers what was checked."""
        with Province(self.folder, self.step) as province:
            self._make_site(province)
            player = Player(self.city, self.site.settings.kafka)
            crew = Crew(self.site_folder, PROGRAMS, seed=1)
            try:
                crew.start_all()
                self.step(f"started {', '.join(PROGRAMS)}, and their province")
                player.start()
                client = Client(self.site.settings.feed.address, self._tell_announced)
                incident, explained = asyncio.run(self._watch(client, crew, player, province))
                far = self._at_the_province(province, incident)
                checked = checks.of_province(far, incident, self.site.ground.city, province.city())
                return [*self._checked(incident, explained, crew, player), *checked]
            finally:
                crew.end(signal.SIGKILL)
                player.abandon()
                if player.is_alive():
                    player.join(QUIET_S)

    def _at_the_province(self, province: Province, incident: Incident) -> ProvincialIncident:
        """The incident as the province has it, printed as it explains it."""
        try:
            far, explained = asyncio.run(province.told(incident, self.language))
        except TimeoutError:
            raise FailedError(f"province: wanted revision {incident.revision} of {incident.number}, got none") from None
        self.step(f"the province shows {far.number}")
        print(explained.text, flush=True)
        return far

    def step(self, text: str) -> None:
        """Says what has been done, and when."""
        tell(f"{time.monotonic() - self.began_s:6.1f} s  {text}")

    def _make_site(self, province: Province) -> None:
        """A city, what its devices say, and the topics for it."""
        self.truth, film = read_truth(msgspec.json.encode(self.city.city.truth())), self.city.film
        self.step(f"a film, {film.told}; the car stands for {self.city.stands_s:.0f} s")
        seen = self.city.watched.counters
        self.step(
            f"{film.network} looked at {seen.frames - seen.skipped} of {plural(seen.frames, 'frame')}: "
            f"{seen.boxes} boxes, {plural(seen.tracks, 'track')}, {plural(seen.detections, 'detection')} by {CAMERA}, "
            f"in place of {plural(len(self.city.replaced), 'camera')}"
        )
        records = sum(len(records) for _, records, _ in self.city.recorded)
        seconds, cameras = (self.city.ends_ms - SETTINGS.start_ms) / 1000.0, self.truth.cameras
        self.step(f"made a city: {seconds:.0f} s, {plural(cameras, 'camera')}, {records} raw records")
        counts = f"raw_partitions = {{ detections = {self.city.detections}, signals = 1, sensors = 1, reports = 1 }}"
        feed = f'[feed]\naddress = "127.0.0.1:{free_ports(1)[0]}"'
        top = f'city = "city"\npartitions = {self.city.partitions}'
        self.site_folder = a_site(
            self.folder / "city", self.servers, "mission.", counts, "replayed = true", feed, province.settings, top=top
        )
        (self.site_folder / "city.geojson").write_bytes(self.city.map)
        self.site = Site.open(self.site_folder)
        made = apply(self.site.settings.kafka, self.city.partitions)
        self.step(f"made {len(made)} topics on {self.servers}")

    async def _watch(
        self, client: Client, crew: Crew, player: Player, province: Province
    ) -> tuple[Incident, feed_pb2.ExplainIncidentResponse]:
        """Follows the feed to the end of the recording; the incident, and why it is believed."""
        settings = self.site.settings.ticks
        last = settings.index_at(self.city.last_mark_ms - settings.due_ms(0))
        try:
            tend = self._tending(client, crew, player, province)
            await client.follow(settings.due_ms(last), tend, PATIENCE_S)
        except TimeoutError:
            got = f"log time {client.log_time_ms}" if client.served else "no feed"
            raise FailedError(
                f"feed: wanted log time {settings.due_ms(last)}, got {got} and nothing for {PATIENCE_S:g} s"
            ) from None
        self.step(f"the client was told {client.changes} revisions of {len(client.newest)} incidents")
        incident = checks.chosen(client.newest.values(), self.site.ground.city, CAMERA)
        if incident is None:
            wanted = f"an active one of {CAMERA} with {', '.join(checks.KINDS)}"
            raise FailedError(f"incident: wanted {wanted}, got {self._got(client)}")
        return incident, await client.explain(incident.incident_id, self.language)

    def _tending(self, client: Client, crew: Crew, player: Player, province: Province) -> Callable[[], None]:
        """What is done while the client waits: that everybody works, when all is sent, and trouble upwards."""
        sent = False

        def tend() -> None:
            nonlocal sent
            crew.tend()
            if client.changes:
                province.trouble()
            if crew.exits:
                raise FailedError(f"programs: wanted all to run, got: {crew.exits[0]}")
            if player.error is not None:
                raise FailedError(f"records: wanted all to be stored, got: {player.error!r}")
            if not sent and not player.is_alive():
                sent = True
                self.step("sent them all, with their marks")

        return tend

    def _got(self, client: Client) -> str:
        told = []
        for incident in client.newest.values():
            kinds = "+".join(checks.sources_by_kind(incident, self.site.ground.city)) or "nothing on the map"
            told.append(f"{incident.number} {incident.type} {incident.state} by {kinds}")
        return "; ".join(told) or "none"

    def _tell_announced(self, incident: Incident) -> None:
        if incident.state == "active" and incident.incident_id not in self._announced:
            self._announced.add(incident.incident_id)
            instant = instants_in(time_zone(self.site.settings.time_zone))
            language = "zh" if self.language == "zh" else "en"
            self.step(incident_text(incident, self.site.types, (language,), instant))

    def _checked(
        self, incident: Incident, explained: feed_pb2.ExplainIncidentResponse, crew: Crew, player: Player
    ) -> list[Check]:
        """Everything that must hold; programs are told to stop first."""
        player.join()
        crew.end(signal.SIGTERM)
        self.step("stopped the programs; reads the topics again in one process")
        wanted = Oracle(self.site, self.city.places).read(self.site.settings.kafka)
        verdict = check(self.site.settings.kafka, wanted, self.city.partitions)
        rows = stored(self.site.settings.kafka, self.city.places)
        self.step("records the topics, and plays the recording")
        return [
            checks.of_evidence(incident, self.site.ground.city),
            checks.of_positions(incident, self.site.ground.city, self.city.places),
            checks.of_pixels(incident, self.site.ground.city, rows, len(self.city.watched.lines), self.city.film),
            checks.of_belief(incident, self.site.types),
            checks.of_explanation(incident, incident_from_proto(explained.incident), explained.text),
            checks.of_bytes(incident, wanted),
            *checks.of_topics(verdict, wanted),
            of_recording(self.site_folder, self.folder / "mission.mcap", wanted),
            checks.of_truth(incident, self.truth),
            checks.of_programs(crew.exits),
        ]
