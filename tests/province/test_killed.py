"""Either end dies (SIGKILL) at each point of the way of a change and of an instruction, and starts again."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from city_brain.errors import ServiceError
from city_brain.incidents.incident import ProvincialIncident, incident_line
from city_brain.province.books.province_book import FEED, mirror_name
from city_brain.province.serving.client import list_cities, send_instruction
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.store.store import Store
from city_brain.wire.province.v1 import province_pb2
from tests.house import ROOT
from tests.province.dying import CITY_POINTS, PROVINCE_POINTS

CODES = ("370100", "370200")
COUNT = 24
WAIT_S = 90.0


@contextmanager
def program(*words: object, dies_at: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A program that is gone in the end."""
    environment = {**os.environ, "CITY_BRAIN_TEST_DIES_AT": dies_at, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.province.programs", *map(str, words)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def _cities(address: str) -> dict[str, province_pb2.City]:
    try:
        return {city.city_code: city for city in list_cities(Endpoint(address))}
    except ServiceError:
        return {}


def _send(address: str, order: province_pb2.Instruction) -> None:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        try:
            send_instruction(Endpoint(address), CODES[0], order, 0.0)
            return
        except ServiceError:
            time.sleep(0.1)
    raise AssertionError("wanted the province to take an instruction, it did not")


def _wait_for_all(address: str, processes: list[subprocess.Popen[bytes]], count: int = COUNT) -> None:
    until, told = time.monotonic() + WAIT_S + 0.1 * count, {}
    while time.monotonic() < until:
        told = _cities(address)
        agreed = [city for city in told.values() if city.agrees and city.compared_change_number == count]
        if len(agreed) == len(CODES):
            return
        assert all(process.poll() is None for process in processes), "a program ended that was not to die"
        time.sleep(0.05)
    raise AssertionError(f"wanted {count} changes of each city and equal digests, got {told}")


def _check(folder: Path, urls: dict[str, str], count: int = COUNT) -> None:
    """Lines, counts and digests on both disks; every event once, with both of its members."""
    with Store.open(f"sqlite:///{folder}/province.sqlite") as there:
        for code, url in urls.items():
            with Store.open(url) as here:
                feed, mirror = here.feed(code), there.feed(mirror_name(code, f"{code}-feed"))
                assert feed.head().digest == mirror.head().digest
                lines = [incident_line(change.incident) for change in feed.changes(0, 100_000)]
                assert [incident_line(change.incident) for change in mirror.changes(0, 100_000)] == lines
                assert len(lines) == count
                assert not here.check().damage
        held = [one.incident for one in there.feed(FEED, ProvincialIncident).held()]
        pairs = Counter(tuple(member.incident_id for member in incident.members) for incident in held)
        expected = {frozenset(f"{code}-{at}" for code in CODES) for at in range(count // 2)}
        assert {frozenset(pair) for pair in pairs} == expected
        assert set(pairs.values()) == {1}
        assert {incident.state for incident in held} == {"ended"}
        assert not there.check().damage


ALWAYS = ("city window_sent", "province in_transaction", "province changes_stored")
"""The other points take minutes together; `make campaign` has them."""
POINTS = [f"city {point}" for point in CITY_POINTS] + [f"province {point}" for point in PROVINCE_POINTS]


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point in ALWAYS else pytest.mark.campaign) for point in POINTS]
)
def test_whoever_dies_wherever_both_ends_hold_the_same_in_the_end(tmp_path: Path, point: str) -> None:
    address = _free_address()
    urls = {code: f"sqlite:///{tmp_path}/{code}.sqlite" for code in CODES}
    who, where = point.split()
    order = province_pb2.Instruction(instruction_id="count-1", query=province_pb2.Query())
    with (
        program("province", tmp_path, address, dies_at=f"{where}:2" if who == "province" else "") as province,
        program("city", urls[CODES[1]], CODES[1], address, COUNT) as other,
    ):
        times = 1 if "instruction" in where else 3 if "acknowledgement" in where else 2
        dies_at = f"{where}:{times}" if who == "city" else ""
        with program("city", urls[CODES[0]], CODES[0], address, COUNT, dies_at=dies_at) as city:
            if "instruction" in where or "answer" in where:
                _send(address, order)
            if who == "province" and "answer" in where:
                _send(address, province_pb2.Instruction(instruction_id="count-2", query=province_pb2.Query()))
            dying = city if who == "city" else province
            assert dying.wait(WAIT_S) == -signal.SIGKILL
            if who == "city":
                with program("city", urls[CODES[0]], CODES[0], address, COUNT) as again:
                    _wait_for_all(address, [province, other, again])
            else:
                with program("province", tmp_path, address) as again:
                    _wait_for_all(address, [again, other, city])
                    if "answer" in where:
                        state = send_instruction(Endpoint(address), CODES[0], order, WAIT_S)
                        assert (state.progress, len(state.answers)) == (province_pb2.INSTRUCTION_PROGRESS_DONE, 1)
    _check(tmp_path, urls)


CHANGES_A_KILL = 30
"""Cities still grow at the last kill."""


def many_kills(folder: Path, kills: int, seed: int) -> int:
    """Kills either city or the province so often while both cities grow; checks, and gives the changes of each."""
    chance, address, count = random.Random(seed), _free_address(), CHANGES_A_KILL * kills
    urls = {code: f"sqlite:///{folder}/{code}.sqlite" for code in CODES}
    words: dict[str, tuple[object, ...]] = {"province": ("province", folder, address)}
    words |= {code: ("city", urls[code], code, address, count) for code in CODES}
    with ExitStack() as stack:
        running = {name: stack.enter_context(program(*said)) for name, said in words.items()}
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 2.5))
            name = chance.choice(list(words))
            running[name].kill()
            running[name].wait()
            running[name] = stack.enter_context(program(*words[name]))
        _wait_for_all(address, list(running.values()), count)
    _check(folder, urls, count)
    return count


@pytest.mark.campaign
def test_many_kills_of_any_end_at_any_time_leave_the_same_at_both_ends(tmp_path: Path) -> None:
    """Twenty, seeded; `python -m tests.province --kills 200` for more."""
    assert many_kills(tmp_path, 20, 11) == 600
