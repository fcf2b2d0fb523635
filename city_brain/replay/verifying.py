"""Verification: one recording read in every permitted way, and all answers held against the first, byte for byte."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
    __cpu_dispatch__,
    __cpu_features__,
)

from city_brain.errors import RecordingError
from city_brain.replay.plans import Plan, as_recorded, permuted, split
from city_brain.replay.replay import Answer, MakeRunner, Recording, answer


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """One way of reading and what came of it; `divergence` says where it first differed, empty if nowhere."""

    way: str
    digest: str
    ticks: int
    divergence: str = ""
    displaced: float = 0.0
    restores: int = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """How many of each kind of way are tried."""

    envelope_rows: tuple[int, ...] = (16, 256, 4096)
    permutations: int = 3
    splits: int = 3
    restores: int = 20
    budget_ms: int = 2_000


def ways(recording: Recording, effort: Effort, make: MakeRunner, seed: int) -> Iterator[Verified]:
    """Every way in turn; the first is the measure of the others."""
    common = recording.observations.common
    arrival_ms, source = common.arrival_ms, common.source.astype("int64")
    first = answer(recording, as_recorded(arrival_ms, effort.envelope_rows[0]), make)
    yield _verified(f"envelopes of {effort.envelope_rows[0]}", first, first)
    plans: list[Plan] = [as_recorded(arrival_ms, rows) for rows in effort.envelope_rows[1:]]
    plans += [permuted(arrival_ms, seed + k, effort.budget_ms, 16) for k in range(effort.permutations)]
    plans += [split(arrival_ms, source, seed + k, 2 + k, 64) for k in range(effort.splits)]
    for plan in plans:
        yield _verified(plan.name, answer(recording, plan, make), first, plan.displaced)
    said = answer(recording, as_recorded(arrival_ms, 64), make, seed, effort.restores)
    yield _verified(f"{said.restores} restores from bytes", said, first)


def other_processes(
    arguments: Sequence[str], environments: Mapping[str, Mapping[str, str]], good: Sequence[int] = (0,)
) -> Iterator[tuple[str, str, int]]:
    """Name, digest and ticks that `city-brain` prints as JSON, in processes with other environments.

    `good`: exit codes with which there is a digest.
    """
    for name, environment in environments.items():
        command = [sys.executable, "-m", "city_brain", *arguments]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)  # noqa: S603 (our own)
        if done.returncode not in good:
            raise RecordingError(f"{name}: wanted a digest, got exit {done.returncode}: {done.stderr.decode()[-500:]}")
        result = msgspec.json.decode(done.stdout)
        yield name, result["digest"], result["ticks"]


def environments() -> dict[str, dict[str, str]]:
    """Two hash seeds, and the processor features that numpy picks at run time on and off."""
    features = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
    without = {"PYTHONHASHSEED": "2", "NPY_DISABLE_CPU_FEATURES": features}
    return {"hash seed 1": {"PYTHONHASHSEED": "1"}, f"hash seed 2, without {features or 'any feature'}": without}


def first_divergence(first: Answer, other: Answer) -> str:
    """Where two answers part: the tick, and the first bytes that differ; empty if nowhere."""
    for number, (a, b) in enumerate(zip(first.lines, other.lines, strict=False)):
        if a != b:
            return f"tick {(first.first_tick or 0) + number} {parting(a, b)}"
    if len(first.lines) != len(other.lines) or first.first_tick != other.first_tick:
        return (
            f"wanted {len(first.lines)} ticks from {first.first_tick}, got {len(other.lines)} from {other.first_tick}"
        )
    return ""


def parting(a: bytes, b: bytes) -> str:
    """The first bytes in which two lines differ."""
    at = next((k for k, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), min(len(a), len(b)))
    return f"byte {at}: wanted …{_around(a, at)}…, got …{_around(b, at)}…"


def _around(line: bytes, at: int) -> str:
    return line[max(at - 40, 0) : at + 60].decode(errors="replace")


def _verified(way: str, said: Answer, first: Answer, displaced: float = 0.0) -> Verified:
    divergence = "" if said is first else first_divergence(first, said)
    return Verified(
        way=way,
        digest=said.digest,
        ticks=said.head.size,
        divergence=divergence,
        displaced=round(displaced, 3),
        restores=said.restores,
    )
