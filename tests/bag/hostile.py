"""Hostile files: each lies of itself, breaks a limit, or is a bomb; all of them end as files that were cut do."""

import struct
import zlib

import zstandard

from city_brain.bag.container import mcap
from city_brain.bag.container.mcap import MAGIC, Attachment, ChunkHead, Op
from city_brain.bag.records import Channel


def chunk(records: bytes, **lies: object) -> bytes:
    """A chunk of records, with the fields that are said otherwise."""
    packed = zstandard.ZstdCompressor().compress(records)
    said: dict[str, object] = {
        "start_ns": 1, "end_ns": 1, "size": len(records), "crc": zlib.crc32(records), "packing": "zstd",
        "packed": packed,
    }  # fmt: skip
    return mcap.chunk_record(ChunkHead(**(said | lies)))  # type: ignore[arg-type]


def hostile(*records: bytes, profile: str = "citybrain") -> bytes:
    """A file that ends behind these records, as one that was cut."""
    return MAGIC + mcap.header(profile) + b"".join(records)


CHANNEL = mcap.channel_record(Channel(1, 0, "a", "", {"partition": "0"}))
BLOCKS = mcap.channel_record(Channel(2, 0, "a/_kafka", "citybrain.block.v1", {}))
MESSAGE = mcap.MESSAGE.pack(5, 22 + 1, 1, 0, 1, 1) + b"v"


def block(*numbers: int, columns: bytes = b"") -> bytes:
    """A chunk with one record and a block with such a head."""
    data = struct.pack("<BBHIIIIIIIII", *numbers) + columns
    return chunk(CHANNEL + BLOCKS + MESSAGE + mcap.MESSAGE.pack(5, 22 + len(data), 2, 0, 1, 1) + data)


def attached(name: str, **lies: object) -> bytes:
    """An attachment with such a name."""
    said: dict[str, object] = {"log_ns": 1, "created_ns": 0, "name": name, "media_type": "", "data": b"x"}
    return mcap.attachment_record(Attachment(**(said | lies)))  # type: ignore[arg-type]


ZEROS = bytes(32 << 20)
EMPTY = mcap.START.pack(5, 0)
ONE_COLUMN = struct.pack("<qiiiHb", 0, 0, -1, -1, 0, 0)
HOSTILE: dict[str, bytes] = {
    "a length beyond the file": hostile(mcap.START.pack(Op.CHUNK, 1 << 62)),
    "a length of all ones": hostile(mcap.START.pack(Op.METADATA, (1 << 64) - 1)),
    "a long header": MAGIC + mcap.START.pack(Op.HEADER, 1 << 20) + bytes(1 << 20),
    "a text longer than its record": hostile(mcap.record(Op.METADATA, b"\xff\xff\xff\xff")),
    "a map longer than its record": hostile(mcap.record(Op.METADATA, mcap.text("a"), b"\xff\xff\xff\x7f")),
    "a text that is none": hostile(mcap.record(Op.METADATA, mcap.block(b"\xff\xfe"), mcap.block(b""))),
    "opcode 0": hostile(mcap.record(0, b"x")),
    "a footer among the data": hostile(mcap.footer(b"", 0, 0)),
    "a second header": hostile(mcap.header("citybrain")),
    "a chunk that says to be huge": hostile(chunk(ZEROS, size=1 << 40)),
    "a bomb behind a small size": hostile(chunk(ZEROS, size=100)),
    "a bomb that does not state its size": hostile(
        chunk(ZEROS, size=100, packed=zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS))
    ),
    "a bomb of the size it says": hostile(chunk(ZEROS)),
    "a chunk of nothing but empty messages": hostile(chunk(EMPTY * (1 << 16))),
    "a chunk of more messages than allowed": hostile(chunk(EMPTY * ((1 << 19) + 9))),
    "a size of 0": hostile(chunk(b"", packed=zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS))),
    "data that are not packed so": hostile(chunk(MESSAGE, packed=b"not at all")),
    "data behind the packed ones": hostile(chunk(MESSAGE, packed=zstandard.compress(MESSAGE) + b"more")),
    "packed in another way": hostile(chunk(MESSAGE, packing="lz4")),
    "a wrong checksum": hostile(chunk(MESSAGE, crc=1)),
    "no checksum": hostile(chunk(CHANNEL + MESSAGE, crc=0)),
    "a message without a channel": hostile(chunk(MESSAGE)),
    "a message that is too short": hostile(chunk(CHANNEL + mcap.record(Op.MESSAGE, bytes(21)))),
    "a short message at the end": hostile(chunk(CHANNEL + MESSAGE + mcap.record(Op.MESSAGE, b""))),
    "a message longer than its chunk": hostile(chunk(CHANNEL + mcap.MESSAGE.pack(5, 1 << 50, 1, 0, 1, 1))),
    "a chunk within a chunk": hostile(chunk(chunk(MESSAGE))),
    "a channel that changes": hostile(
        chunk(CHANNEL + mcap.channel_record(Channel(1, 0, "b", "", {"partition": "0"})) + MESSAGE)
    ),
    "more channels than memory": hostile(
        *(
            chunk(mcap.channel_record(Channel(number, 0, "a", "", {"x": "y" * 900_000})))
            for number in range(1, 200)
        )
    ),
    "more metadata than memory": hostile(mcap.metadata_record("a", {"x": "y" * 900_000}) * 60),
    "a time beyond 63 bits": hostile(chunk(CHANNEL + mcap.MESSAGE.pack(5, 22, 1, 0, 1 << 63, 1))),
    "times other than the chunk says": hostile(chunk(CHANNEL + MESSAGE, end_ns=7)),
    "a time again": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN) * 2),
    "a record without a block": hostile(chunk(CHANNEL + MESSAGE)),
    "a block of another version": hostile(block(2, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN)),
    "a block of many rows": hostile(block(1, 0, 1, (1 << 32) - 1, 1, 0, 0, 0, 0, 0, 0, 0)),
    "a block of many headers": hostile(block(1, 0, 1, 1, 1, 1, (1 << 32) - 1, 0, 0, 0, 0, 0)),
    "a block of many null values": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, (1 << 32) - 1, 0)),
    "a block with long keys": hostile(block(1, 0, 1, 1, 1, 0, 0, (1 << 32) - 1, 0, 0, 0, 0, columns=ONE_COLUMN)),
    "a block with more at its end": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN + b"x")),
    "a block without stretches": hostile(block(1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=bytes(8))),
    "a block of another offset": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 1, 0, -1, -1, 0, 0))
    ),
    "a block of another partition": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 1, -1, -1, 0, 0))
    ),
    "a block with a key of length -2": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 0, -1, -2, 0, 0))
    ),
    "a block with a lie about a type": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 0, -1, -1, 0, 9))
    ),
    "a block with nothing in it": hostile(block(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    "a note that is no object": hostile(
        chunk(mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {})) + mcap.MESSAGE.pack(5, 23, 1, 0, 1, 1) + b"[")
    ),
    "a note of a thousand brackets": hostile(
        chunk(
            mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {}))
            + mcap.MESSAGE.pack(5, 22 + 100_000, 1, 0, 1, 1) + b'{"a":' + b"[" * 99_995
        )
    ),
    "a gap that is none": hostile(
        chunk(mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {})) + mcap.MESSAGE.pack(5, 24, 1, 0, 1, 1) + b"{}")
    ),
    "an attachment that climbs": hostile(attached("../../etc/cron.d/job")),
    "an attachment at the root": hostile(attached("/etc/passwd")),
    "an attachment of a drive": hostile(attached("C:\\autoexec.bat")),
    "an attachment without a name": hostile(attached("")),
    "an attachment with a line in its name": hostile(attached("a\nb")),
    "an attachment with a long name": hostile(attached("a/" * 2000 + "b")),
    "an attachment that is damaged": hostile(attached("a")[:-1] + b"\0"),
    "an attachment that says to be long": hostile(
        mcap.record(Op.ATTACHMENT, bytes(16), mcap.text("a"), mcap.text(""), (1 << 63).to_bytes(8, "little"), b"xxxx")
    ),
    "another version": hostile(mcap.metadata_record("cb.recording", {"version": "2"})),
}  # fmt: skip
