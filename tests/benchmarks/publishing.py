"""How many rows a second a running city takes over its doors: `python -m tests.benchmarks.publishing`.

A city of `--cameras` is drawn, its rows moved to the present, and sent as fast as it goes from this process to one of
`city-brain run` over loopback: as envelopes of 1024 over Publish, and as lines of as many over POST. Counted is until
the last answer: what it costs to read, judge and queue a row, while the street fuses what it has.
"""

import argparse
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from city_brain.cli.publishing.batches import requests_of
from city_brain.observations.columns import Observations
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.servers.client.publishing.grpc_link import GrpcLink
from city_brain.servers.client.publishing.http_link import HttpLink
from city_brain.servers.client.publishing.publisher import Link, Publisher, Request
from city_brain.servers.publishing.intake import Taken
from city_brain.sources.recording import read_blocks
from tests.cli.processes import city_brain, running

ROWS_PER_REQUEST = 1024
QUIET = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "memory")


def published(site: Path, *, envelopes: bool) -> dict[str, float]:
    """Rows, seconds and rows a second of one city that is published to."""
    with running("run", site, *QUIET) as run:
        address = run.wait_for(r"serving the incident feed on (\S+);")
        url = "http://" + run.wait_for(r"over HTTP on (\S+),")
        link: Link = GrpcLink(Endpoint(address)) if envelopes else HttpLink(url, Endpoint(address))
        blocks = [replace(block, rejected=(), warnings=()) for block in read_blocks(site / "observations.jsonl.zst")]
        latest_ms = max(int(np.median(block.observations.common.event_ms)) for block in blocks)
        by_ms = round(1000 * time.time()) - latest_ms
        moved = [replace(block, observations=_later(block.observations, by_ms)) for block in blocks]
        requests = list(requests_of(moved, ROWS_PER_REQUEST, lambda _: None, envelopes=envelopes))
        sums = {"accepted": 0, "duplicate": 0, "refused": 0}

        def answered(_: Request, taken: Taken) -> None:
            for name in sums:
                sums[name] += getattr(taken, name)

        began_s = time.monotonic()
        Publisher(link, 10.0).run(requests, answered)
        taken_s = time.monotonic() - began_s
        rows = sum(sums.values())
        run.process.terminate()
        run.ended()
        read = re.search(r"read (\d+) = ", " ".join(run.err))
        assert read is not None and 0 < int(read[1]) <= sums["accepted"], run.err
    return {**sums, "seconds": round(taken_s, 2), "rows_per_s": round(rows / taken_s)}


def _later(rows: Observations, by_ms: int) -> Observations:
    common = rows.common
    return replace(rows, common=replace(common, event_ms=common.event_ms + by_ms))


def main() -> None:
    """Draws the city and prints a line of JSON for each door."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--cameras", type=int, default=60)
    words.add_argument("--minutes", type=float, default=4.0)
    words.add_argument("--seed", type=int, default=3)
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        city_brain("synth", site, "--seed", said.seed, "--cameras", said.cameras, "--minutes", said.minutes)
        for door, envelopes in (("Publish, envelopes of 1024", True), ("POST, JSON Lines of 1024", False)):
            print(msgspec.json.encode({"door": door, **published(site, envelopes=envelopes)}).decode(), flush=True)


if __name__ == "__main__":
    main()
