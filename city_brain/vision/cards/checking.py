"""Weights are checked before anything runs them: size, hash, a walk through the graph, a first run in a child process.

What is refused, or dies in the child, is a ModelError; whoever checks lives on. The walk happens in the child, too,
since even parsing takes many times the memory of a file that is made for it. The bytes that passed are handed on, so
that what runs later is what was checked, whatever becomes of the file.
"""

import hashlib
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from city_brain.errors import ModelError
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.children.starting import command, ended, environment

MOST_BYTES: Final = 160 * 2**20
"""Of a file of weights; detectors for cameras have 4 to 130 MB, and loading takes 4.4 times the file."""
MEMORY_BYTES: Final = 2**30
CPU_S: Final = 10
"""What loading and the first runs may take; a detector that needs more of either is none for many cameras."""
WALL_S: Final = 120.0
"""On a machine that is too busy to give those seconds earlier."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is told in a line, before the bytes of the file."""

    place: str
    size: int
    card: ModelCard | None
    memory_bytes: int
    cpu_s: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a network that passed."""

    opset: int
    nodes: int
    tensors: int
    tensor_bytes: int
    input: str
    batch: int | None
    """None: any."""
    frames: int
    """How many it is given at once: as many as its memory and ours let, where it takes any number."""
    height: int
    width: int
    sizes: bool
    """Whether it is told the size of the frames, too, as some of layout `detr` are."""
    outputs: dict[str, tuple[int, ...]]
    """Shapes as the first run gave them."""
    load_ms: float
    run_ms: float
    """Of the second run; the first one allocates."""
    peak_bytes: int
    """Most memory that the child held at once, with Python and the runtime."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says at its end: one of both."""

    report: Report | None = None
    refused: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that passed, and what is known of them."""

    data: bytes
    report: Report


def check_weights(path: Path, card: ModelCard | None = None) -> Checked:
    """Reads and checks a file of weights against its card; without one, only that it is a harmless detector.

    Takes at most twice `MOST_BYTES` of memory here, and `MEMORY_BYTES` and `CPU_S` in a child. Raises ModelError.
    """
    data = read_weights(path, card)
    return Checked(data=data, report=try_out(data, card, str(path)))


def read_weights(path: Path, card: ModelCard | None = None) -> bytes:
    """All of a file whose size, and with a card whose sha256, is as it must be; raises ModelError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as wrong:
        raise ModelError(f"{path}: wanted a file of weights, got: {getattr(wrong, 'strerror', wrong)}") from wrong
    try:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode):
            raise ModelError(f"{path}: wanted a regular file, got a folder, a pipe or a device")
        if not 0 < known.st_size <= MOST_BYTES:
            raise ModelError(f"{path}: wanted 1 to {MOST_BYTES} bytes, got {known.st_size}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(known.st_size)
    finally:
        os.close(descriptor)
    if len(data) != known.st_size:
        raise ModelError(f"{path}: wanted {known.st_size} bytes, got {len(data)}: the file shrank while it was read")
    if card is not None and (got := hashlib.sha256(data).hexdigest()) != card.sha256:
        raise ModelError(f"{path}: wanted sha256 {card.sha256}, as the card of {card.name} says, got {got}")
    return data


def try_out(
    data: bytes, card: ModelCard | None, place: str, memory_bytes: int = MEMORY_BYTES, cpu_s: int = CPU_S
) -> Report:
    """Walks through a network, loads it and runs it, all in a child of bounded means; raises ModelError."""
    place = place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    errand = Errand(place=place, size=len(data), card=card, memory_bytes=memory_bytes, cpu_s=cpu_s)
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                command("city_brain.vision.cards.child"),
                input=msgspec.json.encode(errand) + b"\n" + data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=empty,
                env=environment(empty),
                timeout=WALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise ModelError(f"{place}: wanted a network that loads and runs in {WALL_S:.0f} s, got none") from late
    try:
        verdict = msgspec.json.decode(done.stdout, type=Verdict)
    except msgspec.DecodeError as wrong:
        wanted = f"a network that loads and runs within {memory_bytes >> 20} MiB and {cpu_s} s of a core"
        raise ModelError(f"{place}: wanted {wanted}, got its process ended by {ended(done.returncode)}") from wrong
    if verdict.report is None:
        raise ModelError(verdict.refused)
    return verdict.report
