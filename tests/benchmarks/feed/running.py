"""Runs a case: a server, readers in processes of their own, and what they were told beside what they must be told."""

import asyncio
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from city_brain.feeds.filters import Wanted
from tests.benchmarks.feed import city, slow
from tests.benchmarks.feed.audience import Heard, Plan
from tests.benchmarks.feed.case import Case, Measured, Served, Stalled

Spoken = subprocess.Popen[str]


@contextmanager
def speaking(module: str, first: msgspec.Struct) -> Iterator[Spoken]:
    """A process of ours that has been told its first line; ends with the block."""
    command = [sys.executable, "-m", f"tests.benchmarks.feed.{module}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            tell(process, msgspec.json.encode(first).decode())
            yield process
            tell(process, "end")
            process.wait(30)
        finally:
            process.kill()


def tell(process: Spoken, line: str) -> None:
    """Says a line to a process, which may have ended."""
    if process.stdin is None or process.poll() is not None:
        return
    process.stdin.write(line + "\n")
    process.stdin.flush()


def told(process: Spoken) -> str:
    """The next line of a process."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise ChildProcessError(f"{process.args}: wanted a line, it ended")
    return line.strip()


def measure(case: Case) -> Measured:
    """Runs a case from its beginning to its end."""
    filters = city.wanted(case)
    parts = [filters[at :: case.processes] for at in range(case.processes)]
    with speaking("server", case) as server:
        address = told(server)
        heard, served, stalled = asyncio.run(_watched(case, server, address, parts))
    must = [set(numbers) for numbers in city.expected(case, filters)]
    latencies = sorted(
        (at_ns - served.appended_ns[number - 1]) / 1e6
        for part in heard
        for number, at_ns in zip(part.numbers, part.at_ns, strict=True)
    )
    return Measured(
        case=case,
        share=round(city.share(case, filters), 4),
        deliveries=len(latencies),
        missing=sum(_differences(part, must[at :: case.processes]) for at, part in enumerate(heard)),
        messages=sum(part.messages for part in heard),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        most_ms=quantile(latencies, 1.0),
        server=served,
        readers_cpu_s=sum(part.cpu_s for part in heard),
        load=os.getloadavg()[0] / (os.cpu_count() or 1),
        stalled=stalled if case.stalled else None,
    )


async def _watched(
    case: Case, server: Spoken, address: str, parts: Sequence[Sequence[Wanted]]
) -> tuple[list[Heard], Served, Stalled]:
    """Lets all read, the slow ones in this process, which has nothing else to do."""
    heard: list[Heard] = []
    with _audiences(case, address, parts) as audiences:
        async with slow.readers(address, case.stalled) as stalled:
            tell(server, "begin")
            served = msgspec.json.decode(await asyncio.to_thread(told, server), type=Served)
            for audience in audiences:
                tell(audience, str(served.last_number))
            heard = [msgspec.json.decode(await asyncio.to_thread(told, one), type=Heard) for one in audiences]
            became = await slow.resumed(stalled, served.last_number)
    return heard, served, became


@contextmanager
def _audiences(case: Case, address: str, parts: Sequence[Sequence[Wanted]]) -> Iterator[list[Spoken]]:
    if not parts:
        yield []
        return
    connections = max(1, min(case.connections // case.processes, len(parts[0])))
    plan = Plan(address=address, connections=connections, filters=tuple(parts[0]))
    with speaking("audience", plan) as first:
        told(first)
        with _audiences(case, address, parts[1:]) as others:
            yield [first, *others]


def _differences(heard: Heard, must: Sequence[set[int]]) -> int:
    """Deliveries that did not come, came again, or were not for that reader."""
    came = Counter(zip(heard.readers, heard.numbers, strict=True))
    wanted = Counter((reader, number) for reader, numbers in enumerate(must) for number in numbers)
    return (came - wanted).total() + (wanted - came).total()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that so many are not above; NaN of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
