"""Recordings: the same rows however the file is packed and read, constant memory, and errors that say where."""

import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from threading import Event, Thread

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import LINE_BYTES_MAX, Parsed, mark_line, to_lines
from city_brain.observations.vocabulary import DeadLetter
from city_brain.sources.recording import read_blocks
from tests.house import ROOT
from tests.observations.lines import any_lines, dumped, line

GOOD = dumped([line("sensor", "s")])[0]
LINES = [GOOD, b"garbage", dumped([line("report", "h")])[0], mark_line(9), b"", GOOD[:50], GOOD]


def told(blocks: list[Parsed]) -> tuple[list[tuple[int, bytes]], list[tuple[int, DeadLetter]], list[tuple[int, int]]]:
    """Rows and rejected lines with their numbers, and marks with the number of rows before them."""
    rows, rejected, marks = [], [], []
    for block in blocks:
        marks += [(len(rows) + before, time_ms) for before, time_ms in block.marks.tolist()]
        rows += list(zip(block.line.tolist(), to_lines(block.observations), strict=True))
        rejected += [(found.line, found.reason) for found in block.rejected]
    return rows, rejected, marks


WHOLE = (
    [(1, GOOD), (3, LINES[2]), (7, GOOD)],
    [(2, DeadLetter.NOT_JSON), (6, DeadLetter.NOT_JSON)],
    [(2, 9)],
)


def packed(data: bytes, **options: int) -> bytes:
    """The data as one Zstandard frame."""
    return zstandard.ZstdCompressor(**options).compress(data)


PLAIN = b"\n".join(LINES) + b"\n"
FILES = {
    "plain": PLAIN,
    "without a last line end": PLAIN[:-1],
    "with the line ends of Windows": PLAIN.replace(b"\n", b"\r\n"),
    "zstandard": packed(PLAIN),
    "several frames": packed(PLAIN[:300]) + packed(b"") + packed(PLAIN[300:]),
    "streamed, size not stated": zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN),
}


@pytest.mark.parametrize("how", FILES)
@pytest.mark.parametrize("block_rows", [1, 2, 3, 4096])
def test_packing_and_blocks_change_nothing(tmp_path: Path, how: str, block_rows: int) -> None:
    """Rows, rejected lines and marks are the same, with the same line numbers."""
    path = tmp_path / "recording"
    path.write_bytes(FILES[how])
    blocks = list(read_blocks(path, block_rows))
    assert told(blocks) == WHOLE
    assert all(block.observations.n + len(block.rejected) <= block_rows for block in blocks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(any_lines, max_size=3), st.integers(1, 5))
def test_what_is_written_is_read(tmp_path: Path, parts: list[list[dict[str, object]]], block_rows: int) -> None:
    """Any lines come back from a file, in order."""
    written = [data for lines in parts for data in dumped(lines)]
    path = tmp_path / "recording.zst"
    path.write_bytes(packed(b"".join(data + b"\n" for data in written)))
    rows, rejected, _ = told(list(read_blocks(path, block_rows)))
    assert [number for number, _ in rows] == list(range(1, len(written) + 1))
    assert not rejected


def test_standard_input_is_read() -> None:
    """`-` reads what comes in, packed or not."""
    program = (
        "from city_brain.sources.recording import read_blocks; print(sum(b.observations.n for b in read_blocks('-')))"
    )
    for data in (PLAIN, packed(PLAIN)):
        ran = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, cwd=ROOT, check=True)
        assert ran.stdout == b"3\n"


@pytest.mark.parametrize("spare", [0, 1])
def test_the_longest_line(tmp_path: Path, spare: int) -> None:
    """A line of exactly the limit is read, one byte more is rejected, and the next line is read in any case."""
    long = GOOD + b" " * (LINE_BYTES_MAX - len(GOOD) + spare)
    path = tmp_path / "recording"
    path.write_bytes(long + b"\n" + GOOD + b"\n")
    rows, rejected, _ = told(list(read_blocks(path)))
    assert [number for number, _ in rows] == [1, 2][spare:]
    assert rejected == [(1, DeadLetter.TOO_LONG)][:spare]


@pytest.mark.parametrize(
    ("what", "lines", "reason"),
    [
        ("zeros without end", lambda: packed(bytes(400_000_000)), DeadLetter.TOO_LONG),
        ("many garbage lines", lambda: packed(b"x\n" * 20_000), DeadLetter.NOT_JSON),
        ("long garbage lines", lambda: packed((b"x" * 1_000_000 + b"\n") * 200), DeadLetter.NOT_JSON),
    ],
)
def test_bombs_are_read_in_little_memory(tmp_path: Path, what: str, lines: object, reason: DeadLetter) -> None:
    """A small file that unpacks to hundreds of megabytes gives rejected lines block by block."""
    path = tmp_path / "bomb.zst"
    path.write_bytes(lines())  # type: ignore[operator]
    assert path.stat().st_size < 200_000, what
    tracemalloc.start()
    try:
        for block in read_blocks(path):
            assert {found.reason for found in block.rejected} <= {reason}
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()


def broken(data: bytes, tmp_path: Path) -> tuple[int, str]:
    """How many rows a file gives before its error, and the error."""
    path = tmp_path / "broken"
    path.write_bytes(data)
    rows = 0
    with pytest.raises(RecordingError) as caught:
        for block in read_blocks(path, 10):
            rows += block.observations.n
    return rows, str(caught.value).replace(str(path), "FILE")


def test_a_cut_or_damaged_file_gives_its_rows_and_then_the_line(tmp_path: Path) -> None:
    """Whole rows before the fault are read; the error says on which line it came."""
    source = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(source, closefd=False) as writer:
        for number in range(5000):
            writer.write(dumped([line("sensor", f"s-{number * 7919 % 5000}", seq=number)])[0] + b"\n")
            if number % 100 == 99:
                writer.flush()
    data = source.getvalue()
    rows, message = broken(data[: len(data) // 2], tmp_path)
    assert 1000 < rows < 4000
    assert message == f"FILE line {rows + 1}: wanted observations to read, got: the Zstandard data end too early"
    damaged = bytearray(data)
    damaged[len(data) // 2 : len(data) // 2 + 40] = bytes(range(200, 240))
    rows, message = broken(bytes(damaged), tmp_path)
    assert rows > 1000
    assert message.startswith(f"FILE line {rows + 1}: wanted observations to read, got: ")


def test_a_frame_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    """A window larger than 128 MiB is an error before it is allocated."""
    options = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    writer = zstandard.ZstdCompressor(compression_params=options).compressobj()
    rows, message = broken(writer.compress(PLAIN * 10) + writer.flush(), tmp_path)
    assert (rows, message[:12]) == (0, "FILE line 1:")


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A missing file and a folder say so; they have no lines."""
    for path, why in ((tmp_path / "absent", "No such file"), (tmp_path, "directory")):
        with pytest.raises(RecordingError, match=rf"{path.name}: wanted .*{why}"):
            list(read_blocks(path))


def test_live_lines_go_on_as_they_come(tmp_path: Path) -> None:
    """However few they are, and as soon as they are whole; otherwise a block waits until it is full."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came, all_came = Event(), Event()

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(GOOD + b"\n" + GOOD[:20])
            came.wait(30.0)
            file.write(GOOD[20:] + b"\n" + GOOD + b"\n")
            all_came.wait(30.0)

    writer = Thread(target=write)
    writer.start()
    blocks = read_blocks(pipe, live=True)
    assert next(blocks).line.tolist() == [1]
    came.set()
    assert next(blocks).line.tolist() == [2, 3]
    all_came.set()
    assert list(blocks) == []
    writer.join()
