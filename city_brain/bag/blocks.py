"""Blocks: what MCAP has no place for, of the records of one topic in one chunk, as columns.

The layout is that of `playback/FORMAT.md` §4. A block is written record by record, and read as columns whose keys are
places in the bytes of their chunk.
"""

import itertools
import struct
import sys
from array import array
from operator import mul
from typing import Final, cast

import msgspec
import numpy as np

from city_brain.bag.records import (
    CODES_MAX,
    CREATE_TIME,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    Headers,
)
from city_brain.errors import RecordingError
from city_brain.types import Column, Ints

BLOCK_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBHIIIIIIIII")
_NULL: Final = -1
_KINDS: Final = tuple(
    np.dtype(kind)
    for kind in ("<i8", "<i8", "<i4", "<i4", "<i4", "<u4", "<u4", "<i4", "<u2", "<u2", "<u2", "<u2", "<u2", "<i1")
)
"""Of the columns, in their order."""
_WIDTHS: Final = tuple(kind.itemsize for kind in _KINDS)
_NOTHING: Final = np.empty(0, dtype=np.int64)


class BlockWriter:
    """The block of a topic in the open chunk; what grows with every record is public: the packer appends to it."""

    __slots__ = (
        "_epochs", "_firsts", "_kinds", "_odd_ms", "_odd_rows", "_partitions", "_tombstones", "channels", "codes",
        "keys", "lists", "stretches",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begins anew, as for the next chunk."""
        self.keys: list[bytes | None] = []
        self.stretches = array("H")
        self.codes = array("H")
        self.lists: dict[Headers, int] = {}
        """The number of each list of headers."""
        self.channels: list[int] = []
        """The channel of each stretch."""
        self._partitions, self._epochs = array("i"), array("i")
        self._firsts, self._kinds = array("q"), array("b")
        self._tombstones, self._odd_rows, self._odd_ms = array("I"), array("I"), array("q")

    def open_stretch(self, channel: int, partition: int, offset: int, epoch: int, kind: int) -> int:
        """The number of a new stretch that begins with the next row."""
        if not 0 <= offset < 1 << 63:
            raise RecordingError(f"partition {partition}: wanted an offset of 0 to 2^63 - 1, got {offset}")
        if kind not in (NO_TIMESTAMP, CREATE_TIME, LOG_APPEND_TIME) or not -(1 << 31) <= epoch < 1 << 31:
            raise RecordingError(f"offset {offset}: wanted timestamp type -1, 0 or 1 and an epoch, got {kind}, {epoch}")
        self.channels.append(channel)
        self._partitions.append(partition)
        self._firsts.append(offset)
        self._epochs.append(epoch)
        self._kinds.append(kind)
        return len(self._firsts) - 1

    def check(self, headers: Headers, size: int) -> None:
        """Takes a new list out again, and raises RecordingError, where it is longer than a list may be."""
        longest = max(len(name.encode("utf-8", "surrogateescape")) for name, _ in headers)
        if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX or longest > CODES_MAX:
            del self.lists[headers]
            most = f"{HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes, with names of at most {CODES_MAX} bytes"
            raise RecordingError(f"record: wanted at most {most}, got {len(headers)} of {size}, names of {longest}")

    def bury(self) -> None:
        """The next row has a null value."""
        self._tombstones.append(len(self.keys))

    def keep_time(self, timestamp_ms: int) -> None:
        """The next row has a timestamp that publish_time does not hold."""
        if not -(1 << 63) <= timestamp_ms < 1 << 63:
            raise RecordingError(f"record: wanted a timestamp of 64 bits, got {timestamp_ms}")
        self._odd_rows.append(len(self.keys))
        self._odd_ms.append(timestamp_ms)

    def spans(self) -> list[tuple[int, int, int]]:
        """Of each stretch its channel, first and last offset."""
        rows = np.bincount(np.frombuffer(self.stretches, np.uint16), minlength=len(self._firsts)).tolist()
        return [
            (channel, first, first + count - 1)
            for channel, first, count in zip(self.channels, self._firsts, rows, strict=True)
            if count
        ]

    def to_bytes(self) -> bytes:
        """The block."""
        lengths, keys = _measured(self.keys)
        headers = list(itertools.chain.from_iterable(self.lists))
        header_names = [name for name, _ in headers]
        value_lengths, values = _measured([value for _, value in headers])
        numbers = {name: number for number, name in enumerate(dict.fromkeys(header_names))}
        names = [name.encode("utf-8", "surrogateescape") for name in numbers]
        joined = b"".join(names)
        head = _HEAD.pack(
            BLOCK_VERSION, 0, len(self._firsts), len(self.keys), len(self.lists), len(names), len(headers),
            len(keys), len(values), len(joined), len(self._tombstones), len(self._odd_rows),
        )  # fmt: skip
        nothing = array("H")
        columns = (
            self._firsts, self._odd_ms, self._partitions, self._epochs, lengths, self._tombstones, self._odd_rows,
            value_lengths, self.stretches if len(self._firsts) > 1 else nothing,
            self.codes if len(self.lists) > 1 else nothing, array("H", map(len, self.lists)),
            array("H", map(numbers.__getitem__, header_names)),
            array("H", map(len, names)), self._kinds,
        )  # fmt: skip
        return b"".join((head, *map(_little, columns), keys, values, joined))


def _measured(pieces: list[bytes | None]) -> tuple["array[int]", bytes]:
    """The length of each piece, -1 for none, and all of them joined."""
    if None in pieces:
        return array("i", [_NULL if piece is None else len(piece) for piece in pieces]), b"".join(filter(None, pieces))
    whole = cast(list[bytes], pieces)
    return array("i", map(len, whole)), b"".join(whole)


def _little(column: "array[int]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


class HeaderTable(msgspec.Struct, frozen=True, kw_only=True):
    """The lists of headers of a block, as columns until somebody asks for them."""

    place: str
    data: bytes
    name_at: int
    name_bytes: int
    name_length: Column
    name: Column
    value_at: int
    value_bytes: int
    value_length: Column
    list_length: Column

    def lists(self) -> list[Headers]:
        """Every list, by its number; raises RecordingError where the columns do not hold together."""
        data, place = self.data, self.place
        ends = np.cumsum(self.list_length, dtype=np.int64).tolist()
        _check((ends[-1] if ends else 0) == len(self.name), place, f"lists of {len(self.name)} headers", "others")
        most = int(self.name.max()) if len(self.name) else -1
        _check(most < len(self.name_length), place, f"numbers of {len(self.name_length)} names", f"{most}")
        names = [
            data[begin : begin + length].decode("utf-8", "surrogateescape")
            for begin, length in self._pieces(self.name_at, self.name_length, self.name_bytes)
        ]
        values = self._pieces(self.value_at, self.value_length, self.value_bytes)
        headers = [
            (names[name], data[begin : begin + length] if length >= 0 else None)
            for name, (begin, length) in zip(self.name.tolist(), values, strict=True)
        ]
        return [tuple(headers[begin:stop]) for begin, stop in itertools.pairwise([0, *ends])]

    def _pieces(self, at: int, lengths: Column, total: int) -> list[tuple[int, int]]:
        """Begin and length of each piece, of pieces that follow each other from `at` on."""
        sizes = np.maximum(lengths.astype(np.int64), 0)
        ends = np.cumsum(sizes)
        good = (int(ends[-1]) if len(ends) else 0) == total and not (lengths < _NULL).any()
        _check(good, self.place, f"headers of {total} bytes", "lengths that add up to another sum")
        return list(zip((ends - sizes + at).tolist(), lengths.tolist(), strict=True))


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block as it lies in the bytes of its chunk: columns (stretches,) and (rows,)."""

    place: str
    rows: int
    first: Column
    partition: Column
    epoch: Column
    kind: Column
    key_at: int
    key_bytes: int
    key_length: Column
    stretch: Column
    """Empty where there is one stretch."""
    code: Column
    """The list of headers of each row; empty where there is one list."""
    lists: int
    tombstones: Column
    odd_rows: Column
    odd_ms: Column
    headers: HeaderTable


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of several blocks, one block after the other, as columns (n,)."""

    offset: Ints
    partition: Ints
    epoch: Ints
    kind: Ints
    key_at: Ints
    key_length: Ints
    """-1: the key is null."""
    code: Ints
    """Which of the lists of all blocks."""
    tombstones: Ints
    odd_rows: Ints
    odd_ms: Ints


def read_block(data: bytes, at: int, end: int, most_headers: int, place: str) -> Block:
    """The block in `data[at:end]`; at most so many headers. Raises RecordingError where its parts do not fill it."""
    if end - at < _HEAD.size:
        raise RecordingError(f"{place}: wanted a block of at least {_HEAD.size} bytes, got {end - at}")
    version, zero, stretches, rows, lists, names, headers, key_bytes, value_bytes, name_bytes, nulls, odd = (
        _HEAD.unpack_from(data, at)
    )
    if version != BLOCK_VERSION or zero:
        raise RecordingError(f"{place}: wanted a block of version {BLOCK_VERSION}, got {version}")
    if headers > most_headers or max(rows, lists, names) > CODES_MAX or (rows and not (stretches and lists)):
        got = f"{rows} rows, {stretches} stretches, {lists} lists, {names} names, {headers} headers"
        raise RecordingError(f"{place}: wanted at most {CODES_MAX} of each and {most_headers} headers, got {got}")
    counts = (
        stretches, odd, stretches, stretches, rows, nulls, odd, headers, rows if stretches > 1 else 0,
        rows if lists > 1 else 0, lists, headers, names, stretches,
    )  # fmt: skip
    at += _HEAD.size
    length = sum(map(mul, counts, _WIDTHS)) + key_bytes + value_bytes + name_bytes
    _check(length == end - at, place, f"columns of {end - at} bytes", f"{length}")
    columns = []
    for count, width, kind in zip(counts, _WIDTHS, _KINDS, strict=True):
        columns.append(np.frombuffer(data, kind, count, at) if count else _NOTHING)
        at += count * width
    first, odd_ms, partition, epoch, key_length, tombstones, odd_rows, value_length = columns[:8]
    stretch, code, list_length, header_name, name_length, kinds = columns[8:]
    value_at = at + key_bytes
    table = HeaderTable(
        place=place, data=data, name_at=value_at + value_bytes, name_bytes=name_bytes, name_length=name_length,
        name=header_name, value_at=value_at, value_bytes=value_bytes, value_length=value_length,
        list_length=list_length,
    )  # fmt: skip
    return Block(
        place=place, rows=rows, first=first, partition=partition, epoch=epoch, kind=kinds, key_at=at,
        key_bytes=key_bytes, key_length=key_length, stretch=stretch, code=code, lists=lists, tombstones=tombstones,
        odd_rows=odd_rows, odd_ms=odd_ms, headers=table,
    )  # fmt: skip


def gather(blocks: list[Block], place: str) -> Rows:
    """The rows of the blocks; raises RecordingError where a number or a length is one that cannot be."""
    counts = np.array([block.rows for block in blocks], dtype=np.int64)
    begins = np.cumsum(counts) - counts
    stretch, stretches = _numbered([(block.stretch, len(block.first), block) for block in blocks], counts, begins)
    code, _ = _numbered([(block.code, block.lists, block) for block in blocks], counts, begins)
    kind = _joined([block.kind for block in blocks])
    _check(
        bool(((kind >= NO_TIMESTAMP) & (kind <= LOG_APPEND_TIME)).all()), place, "timestamp types -1, 0, 1", "others"
    )
    ranks = np.arange(len(stretch), dtype=np.int64)
    ranks = ranks - np.repeat(begins, counts) if stretches == len(blocks) else _ranks(stretch, stretches)
    offset = _joined([block.first for block in blocks])[stretch] + ranks
    _check(not len(offset) or int(offset.min()) >= 0, place, "offsets of at least 0", "others")
    key_length = _joined([block.key_length for block in blocks])
    sizes = np.maximum(key_length, 0)
    ends = np.cumsum(sizes)
    sums = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    before, behind = sums[begins], sums[begins + counts]
    wanted = np.array([block.key_bytes for block in blocks], dtype=np.int64)
    good = bool((behind - before == wanted).all()) and bool((key_length >= _NULL).all())
    _check(good, place, "keys as long as their blocks say", "lengths that add up to another sum")
    key_at = np.array([block.key_at for block in blocks], dtype=np.int64) - before
    return Rows(
        offset=offset,
        partition=_joined([block.partition for block in blocks])[stretch],
        epoch=_joined([block.epoch for block in blocks])[stretch],
        kind=kind[stretch],
        key_at=ends - sizes + np.repeat(key_at, counts),
        key_length=key_length,
        code=code,
        tombstones=_rising([(block.tombstones, block) for block in blocks], begins),
        odd_rows=_rising([(block.odd_rows, block) for block in blocks], begins),
        odd_ms=_joined([block.odd_ms for block in blocks]),
    )


def _check(good: bool, place: str, wanted: str, got: str) -> None:
    if not good:
        raise RecordingError(f"{place}: wanted {wanted}, got {got}")


def _joined(columns: list[Column]) -> Ints:
    return np.concatenate(columns).astype(np.int64)


def _numbered(columns: list[tuple[Column, int, Block]], counts: Ints, begins: Ints) -> tuple[Ints, int]:
    """A number for each row, among those of all blocks; and how many there are. A column may be empty: all 0."""
    below = [limit for _, limit, _ in columns]
    bases = np.cumsum([0, *below])
    numbers = np.repeat(bases[:-1], counts)
    for (column, limit, block), begin in zip(columns, begins.tolist(), strict=True):
        if len(column):
            most = int(column.max())
            _check(most < limit, block.place, f"numbers below {limit}", f"{most}")
            numbers[begin : begin + len(column)] += column
    return numbers, int(bases[-1])


def _rising(columns: list[tuple[Column, Block]], begins: Ints) -> Ints:
    """Rows that blocks name, as rows of all; they must rise, and be there."""
    found = [_NOTHING]
    for (column, block), begin in zip(columns, begins.tolist(), strict=True):
        if len(column):
            rows = column.astype(np.int64)
            good = int(rows[-1]) < block.rows and bool((np.diff(rows) > 0).all())
            _check(good, block.place, f"rising rows below {block.rows}", "others")
            found.append(rows + begin)
    return np.concatenate(found)


def _ranks(stretch: Ints, stretches: int) -> Ints:
    """How many rows of its own stretch stand before each row."""
    order = np.argsort(stretch, kind="stable")
    counts = np.bincount(stretch, minlength=stretches)
    ranks = np.empty(len(stretch), dtype=np.int64)
    ranks[order] = np.arange(len(stretch), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


NO_ROWS: Final = Rows(**dict.fromkeys(Rows.__struct_fields__, _NOTHING))
