"""Files that are no weights: each by its name, with what the refusal must speak of."""

import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.vision.cards.networks import sound

NONE = "wanted a model in ONNX, got bytes that are none"
REGULAR = "wanted a regular file"
SIZE = "wanted 1 to 167772160 bytes"


def _bytes(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _cut(share: float) -> Callable[[Path], None]:
    data = sound().SerializeToString()
    return _bytes(data[: int(share * len(data))])


def _holes(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("model.onnx", bytes(10_000_000))


def _message(field: int, content: bytes) -> bytes:
    """A protocol buffer's field of bytes."""
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    said = []
    while number > 127:
        said.append(number & 127 | 128)
        number >>= 7
    return bytes([*said, number])


def _deep(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs, deeper than any parser goes."""
    content = b""
    for _ in range(depth):
        content = _message(1, _message(5, _message(6, content)))
    return _message(7, content)


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nothing": (SIZE, _bytes(b"")),
    "one byte": (NONE, _bytes(b"\x08")),
    "random bytes": (NONE, _bytes(random.Random(1).randbytes(100_000))),
    "zeros": (NONE, _bytes(bytes(4096))),
    "a page of HTML": (NONE, _bytes(b"<!doctype html><title>404</title>" * 20)),
    "a zip": (NONE, _zip),
    "a pointer to large files": (NONE, _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")),
    "a pickle": (NONE, _bytes(b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n(S'id'\ntR.")),
    "the first tenth": ("wanted", _cut(0.1)),
    "the first half": (NONE, _cut(0.5)),
    "all but the last byte": (NONE, _bytes(sound().SerializeToString()[:-1])),
    "a length beyond the end": (NONE, _bytes(b"\x3a" + _varint(2**40) + b"x")),
    "a length beyond all numbers": (NONE, _bytes(b"\x3a" + b"\xff" * 12)),
    "graphs 200 deep": (NONE, _bytes(_deep(200))),
    "graphs 20,000 deep": (NONE, _bytes(_deep(20_000))),
    "20 million nodes of two bytes": ("wanted", _bytes(_message(7, b"\x0a\x00" * 20_000_000))),
    "two million tensors of two bytes": ("wanted", _bytes(_message(7, b"\x0a\x00" + b"\x2a\x00" * 2_000_000))),
    "2 GiB of holes": (SIZE, _holes(2**31)),
    "a byte more than may be": (SIZE, _holes(160 * 2**20 + 1)),
    "as many holes as may be": (NONE, _holes(160 * 2**20)),
    "a folder": (REGULAR, lambda path: path.mkdir()),
    "a pipe": (REGULAR, lambda path: os.mkfifo(path)),
    "a device without an end": (REGULAR, lambda path: path.symlink_to("/dev/zero")),
    "a link to nothing": ("wanted a file of weights", lambda path: path.symlink_to("nowhere")),
    "a link to itself": ("wanted a file of weights", lambda path: path.symlink_to(path.name)),
}
"""By name: what the refusal says, and what makes the file."""
