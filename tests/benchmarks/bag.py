"""`python -m tests.benchmarks.bag`: recording and reading on one core, beside the official package in the same run.

A million records of 20 topics (values of 59 bytes, keys, two headers, one of them different in every record) are
written and read by both, in turn; the official package has no place for keys and headers: it writes values only. What
is timed is the processor time of the process, since machines are shared, and figures are medians over the rounds; seeks
are timed by the clock as well. Memory is that of a process of its own. Exit code 1 where a floor is missed.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer

from city_brain.bag.reading import Recording
from city_brain.bag.records import Headers
from city_brain.bag.writing import RecordingWriter
from city_brain.measuring.measured import machine

RECORD_FLOOR = 200_000
READ_FLOOR = 400_000
SEEK_MS = 20.0
MEMORY_MIB = 128.0
TOPICS = 20
POOL = 8192
"""So many different records are made once and sent again and again; a chunk holds fewer: none packs by repetition."""
STEP_NS = 50_000
START_NS = 1_780_000_000_000_000_000
SEEKS = 200

Made = tuple[bytes, bytes, Headers]


class Figures(msgspec.Struct, kw_only=True):
    """What a run found: records a second of processor time, milliseconds, MiB."""

    records: int
    rounds: int
    write: float
    write_mcap: float
    read: float
    read_objects: float
    read_mcap: float
    read_mcap_sought: float
    bytes_per_record: float
    bytes_per_record_mcap: float
    open_ms: float
    seek_ms: float
    seek_clock_ms: float
    seek_worst_ms: float
    memory_mib: dict[str, float]


def main() -> int:
    """Measures, prints a table or a line of JSON; 1 where a floor is missed."""
    asked = _arguments()
    if asked.child:
        return _child(asked.child, asked.records, asked.folder)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked.records, asked.rounds, asked.memory)
    print(msgspec.json.encode(found).decode() if asked.json else _table(found))
    missed = _missed(found)
    print("; ".join(machine().values()), *(f"missed: {what}" for what in missed), sep="\n", file=sys.stderr)
    return int(bool(missed))


def measure(folder: Path, records: int, rounds: int, memory: list[int]) -> Figures:
    """Writes and reads in turn, so that what else the machine does falls on both."""
    pool = _pool()
    ours, theirs = folder / "ours.mcap", folder / "theirs.mcap"
    times: dict[str, list[float]] = {}
    jobs: dict[str, Callable[[], int]] = {
        "write": lambda: _write(ours, pool, records),
        "write_mcap": lambda: _write_mcap(theirs, pool, records),
        "read": lambda: _read(ours),
        "read_objects": lambda: _read_objects(ours),
        "read_mcap": lambda: _read_mcap(theirs),
        "read_mcap_sought": lambda: _read_mcap_sought(theirs),
    }
    for number in range(rounds):
        for name, job in jobs.items():
            print(f"round {number + 1} of {rounds}: {name} …", file=sys.stderr, flush=True)
            begun_s = time.process_time()
            done = job()
            times.setdefault(name, []).append(time.process_time() - begun_s)
            if done != records:
                raise SystemExit(f"{name}: wanted {records} records, got {done}")
    speeds = {name: records / statistics.median(spent) for name, spent in times.items()}
    open_ms, seeks_ms, clock_ms = _seek(ours, records)
    return Figures(
        records=records,
        rounds=rounds,
        **speeds,
        bytes_per_record=ours.stat().st_size / records,
        bytes_per_record_mcap=theirs.stat().st_size / records,
        open_ms=open_ms,
        seek_ms=statistics.median(seeks_ms),
        seek_clock_ms=statistics.median(clock_ms),
        seek_worst_ms=max(seeks_ms),
        memory_mib={f"{job} {count}": _memory(job, count, folder) for count in memory for job in ("write", "read")},
    )


def _pool() -> list[Made]:
    """Values, keys and headers; a value is a message of protobuf with a time, two doubles and a name."""
    chance = random.Random(7)
    pool = []
    for number in range(POOL):
        value = b"\x0a\x0c\x08" + chance.randbytes(9) + b"\x11" + chance.randbytes(8) + b"\x19" + chance.randbytes(8)
        value += b"\x22\x1a" + b"junction-%05d/camera-%04d" % (number % 977, number % 613) + b"\x28\x01"
        trace = b"00-%016x-01" % chance.getrandbits(64)
        pool.append((value, b"camera-%04d" % (number % 613), (("kind", b"detection"), ("traceparent", trace))))
    return pool


def _stream(pool: list[Made], records: int) -> Iterator[tuple[int, int, Made]]:
    """Number, topic and content of every record."""
    for number in range(records):
        yield number, number * 7 % TOPICS, pool[number % POOL]


def _write(path: Path, pool: list[Made], records: int) -> int:
    path.unlink(missing_ok=True)
    with RecordingWriter(path) as writer:
        channels = [writer.channel(f"topic-{number}", 0, encoding="protobuf") for number in range(TOPICS)]
        write = writer.write
        for number, topic, (value, key, headers) in _stream(pool, records):
            log_ns = START_NS + STEP_NS * number
            write(
                channels[topic], number // TOPICS, value, key=key, headers=headers,
                timestamp_ms=log_ns // 1_000_000, log_ns=log_ns,
            )  # fmt: skip
    return records


def _write_mcap(path: Path, pool: list[Made], records: int) -> int:
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1 << 18, compression=CompressionType.ZSTD)
        writer.start()
        channels = [writer.register_channel(f"topic-{number}", "protobuf", 0) for number in range(TOPICS)]
        for number, topic, (value, _, _) in _stream(pool, records):
            log_ns = START_NS + STEP_NS * number
            writer.add_message(
                channel_id=channels[topic], log_time=log_ns, data=value,
                publish_time=log_ns // 1_000_000 * 1_000_000, sequence=number // TOPICS,
            )  # fmt: skip
        writer.finish()
    return records


def _read(path: Path) -> int:
    """Every column of every record, with all checks; no object for a record."""
    with Recording(path) as recording:
        return sum(len(batch) for batch in recording.batches())


def _read_objects(path: Path) -> int:
    with Recording(path) as recording:
        return sum(1 for _ in recording.records())


def _read_mcap(path: Path) -> int:
    with path.open("rb") as file:
        return sum(type(record).__name__ == "Message" for record in StreamReader(file, validate_crcs=True).records)


def _read_mcap_sought(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages())


def _seek(path: Path, records: int) -> tuple[float, list[float], list[float]]:
    """Milliseconds to open, and of each seek to its first record: half by time, half by offset; processor and clock."""
    chance = random.Random(3)
    begun_s = time.process_time()
    recording = Recording(path)
    open_ms = 1000 * (time.process_time() - begun_s)
    spent, clock = [], []
    with recording:
        for number in range(SEEKS):
            wanted = chance.randrange(records)
            begun_s, begun_clock_s = time.process_time(), time.perf_counter()
            start_ns: int | None = START_NS + STEP_NS * wanted
            if number % 2:
                start_ns = recording.log_ns_of(f"topic-{wanted * 7 % TOPICS}", 0, wanted // TOPICS)
            assert start_ns is not None
            record = next(recording.records(start_ns))
            spent.append(1000 * (time.process_time() - begun_s))
            clock.append(1000 * (time.perf_counter() - begun_clock_s))
            if record.offset != wanted // TOPICS or record.topic != f"topic-{wanted * 7 % TOPICS}":
                raise SystemExit(f"seek: wanted record {wanted}, got {record.topic} {record.offset}")
    return open_ms, spent, clock


def _memory(job: str, records: int, folder: Path) -> float:
    """The most that a process of its own held, with its interpreter and libraries."""
    print(f"memory: {job} {records} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.bag", "--child", job, "--records", str(records)]
    done = subprocess.run([*command, "--folder", str(folder)], stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def _child(job: str, records: int, folder: Path) -> int:
    path = folder / f"memory-{records}.mcap"
    if job == "write":
        _write(path, _pool(), records)
    else:
        done = _read_objects(path)
        if done != records:
            raise SystemExit(f"read: wanted {records} records, got {done}")
    print(_peak_mib())
    return 0


def _peak_mib() -> float:
    """Of this program; `ru_maxrss` would count what its parent held when it started it."""
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(words[words.index("VmHWM:") + 1]) / 1024


def _missed(found: Figures) -> list[str]:
    floors = [
        (found.write >= RECORD_FLOOR, f"record {RECORD_FLOOR}/s, got {found.write:.0f}"),
        (found.read >= READ_FLOOR, f"read {READ_FLOOR}/s, got {found.read:.0f}"),
        (found.seek_ms <= SEEK_MS, f"seek {SEEK_MS} ms, got {found.seek_ms:.1f}"),
    ]
    floors += [(mib <= MEMORY_MIB, f"{job}: {MEMORY_MIB} MiB, got {mib:.0f}") for job, mib in found.memory_mib.items()]
    return [what for met, what in floors if not met]


def _table(found: Figures) -> str:
    rows = [
        ("record", found.write, found.write_mcap, f"{found.write / found.write_mcap:.2f}"),
        ("read, columns | messages streamed", found.read, found.read_mcap, f"{found.read / found.read_mcap:.2f}"),
        (
            "read, record by record | in order of log time", found.read_objects, found.read_mcap_sought,
            f"{found.read_objects / found.read_mcap_sought:.2f}",
        ),
        ("bytes per record", found.bytes_per_record, found.bytes_per_record_mcap, ""),
    ]  # fmt: skip
    head = "| per second of processor | ours, keys and headers | official, values only | ratio |"
    lines = [head, "| --- | --- | --- | --- |"]
    lines += [f"| {what} | {ours:,.0f} | {theirs:,.0f} | {ratio} |" for what, ours, theirs, ratio in rows]
    seek = f"open {found.open_ms:.1f} ms, seek {found.seek_ms:.1f} ms (worst {found.seek_worst_ms:.1f}"
    lines += [
        "",
        f"{found.records:,} records, medians of {found.rounds} rounds; {seek}, by the clock {found.seek_clock_ms:.1f})",
    ]
    lines += [f"memory, {job} records: {mib:.0f} MiB" for job, mib in found.memory_mib.items()]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bag", description=__doc__)
    add = parser.add_argument
    add("--records", type=int, default=1_000_000)
    add("--rounds", type=int, default=3)
    add("--memory", type=int, nargs="*", default=[1_000_000, 4_000_000], help="records of the processes measured")
    add("--json", action="store_true", help="print a line of JSON")
    add("--child", default="", help=argparse.SUPPRESS)
    add("--folder", type=Path, default=Path(), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
