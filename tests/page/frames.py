"""`python -m tests.page.frames`: frames a second of the map while it is panned, in Chromium without a GPU."""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from city_brain.page.html import report
from tests.page.browser import browsing
from tests.page.invented import a_document

INCIDENTS, CAMERAS = 2_000, 300
SECONDS = 6.0
_PAN = """(seconds) => new Promise((done) => {
    const map = page.map;
    map.fit();
    const [began, times] = [performance.now(), []];
    const work = [];
    let last = began;
    const paint = map.paint.bind(map);
    map.paint = () => { const from = performance.now(); paint(); work.push(performance.now() - from); };
    const frame = (now) => {
        times.push(now - last);
        last = now;
        const turn = (now - began) / 900;
        map.pan(9 * Math.cos(turn), 9 * Math.sin(turn));
        if (now - began < 1000 * seconds) requestAnimationFrame(frame);
        else {
            delete map.paint;
            times.shift();
            for (const each of [times, work]) each.sort((a, b) => a - b);
            const all = times.reduce((sum, time) => sum + time, 0);
            done([1000 * times.length / all, times[Math.floor(0.95 * times.length)], work[work.length >> 1]]);
        }
    };
    requestAnimationFrame(frame);
})"""


@dataclass(frozen=True)
class Frames:
    """What was measured: frames a second, the 95th percentile of the time between two, and the median time that the
    page takes to draw one.
    """

    per_second: float
    p95_ms: float
    paint_ms: float
    size_kb: float


def measure(incidents: int = INCIDENTS, cameras: int = CAMERAS, seconds: float = SECONDS) -> Frames:
    """Pans over a city with so much in it, all of it in sight."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        path = Path(folder) / "page.html"
        path.write_text(report(a_document(incidents, cameras)), encoding="utf-8")
        seen = browser.open(path)
        shown = seen.run("page.rows.length")
        assert shown == incidents, f"wanted {incidents} incidents on the map, got {shown}"
        return Frames(*seen.run(_PAN, seconds), path.stat().st_size / 1000)


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=INCIDENTS)
    parser.add_argument("--cameras", type=int, default=CAMERAS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    frames = measure(asked.incidents, asked.cameras, asked.seconds)
    sys.stdout.write(
        f"{asked.incidents} incidents and {asked.cameras} cameras, panned for {asked.seconds:.0f} s at 1600 × 900: "
        f"{frames.per_second:.0f} frames/s, p95 {frames.p95_ms:.0f} ms between two, {frames.paint_ms:.1f} ms each to "
        f"draw; the page has {frames.size_kb:.0f} kB\n"
    )


if __name__ == "__main__":
    main()
