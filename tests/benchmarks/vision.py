"""`python -m tests.benchmarks.vision`: what the eyes cost beside network and decoding, for 1, 4, 16 cameras on a core.

YOLOX-nano of the shared data looks at the junction of the shared video, and all that follows runs as in `detect`: gate,
letterbox, network, suppression, tracker, places, speeds, rows and their lines. One camera hands over eight frames at a
time; several, each the same video some seconds on, one frame each, to a network whose batch was made open. Time is that
of the processor: of the thread that works, and of the threads of decoders, since there are no others.

`beside` is all but decoding and running the network, as a share of these two: the median over stretches of a hundred
frames. Exit code 1 where it is more than a tenth for one camera, whose frames `detect` takes together, or where a core
has fewer frames a second than a camera gives, however many share it.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import cv2
import msgspec
import onnx

from city_brain.measuring.measured import machine
from city_brain.observations.json_twin import to_lines
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.decode import Outputs
from city_brain.vision.detections import Boxes
from city_brain.vision.detector import Detector
from city_brain.vision.eyes import Eyes, Seen, see_together
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.ground.pose import CameraPose
from city_brain.vision.letterbox import Frame, Placement, Planes
from tests.vision.eyes.drives import FRAME, START_MS, camera
from tests.vision.ground.views import exact
from tests.vision.samples import yolox_nano

BETWEEN_CAMERAS: Final = 40
"""Frames that a camera is ahead of the one before it."""
FRAME_MS: Final = 1000 / 24.0129
AT_A_TIME: Final = 8
"""Frames that `detect` takes of one camera."""
STRETCH: Final = 100
WARM_UP: Final = 16
"""Frames of each camera before anything is measured."""
MOST_BESIDE: Final = 0.10
"""Everything but decoding and running the network, as a share of these."""
LEAST_PER_SECOND: Final = 25.0
"""Frames of a second of a core: one camera at its full rate."""
POSE: Final = CameraPose(height_m=7.0, pitch_deg=12.0, heading_deg=40.0, fov_deg=60.0, width_px=640, height_px=352)
"""Made up, so that places and speeds are reckoned."""
STAGES: Final = ("choose", "prepare", "run", "read", "take", "lines")


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of a core for each frame, by stage. `choose`: the gate; `prepare`: letterbox; `run`: the network;
    `read`: boxes of its answer; `take`: tracks, places, speeds and rows; `lines`: rows as JSON.
    """

    cameras: int
    frames: int
    skipped: int
    video_ms: float
    choose_ms: float
    prepare_ms: float
    run_ms: float
    read_ms: float
    take_ms: float
    lines_ms: float
    beside: float
    per_second: float
    load: float


class Watch:
    """Processor time of this thread, by stage."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(("video", *STAGES), 0.0)

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Notes the time of what happens within."""
        begun = time.thread_time()
        yield
        self.spent[stage] += time.thread_time() - begun

    def now(self) -> dict[str, float]:
        """All that was spent so far; `threads`: by other threads than this one, which are those of decoders."""
        mine = time.thread_time()
        return {**self.spent, "mine": mine, "threads": time.process_time() - mine}


class TimedDetector(Detector):
    """A detector whose stages are timed."""

    def __init__(self, card: ModelCard, weights: bytes, watch: Watch) -> None:
        super().__init__(card, weights)
        self._watch = watch

    def prepare(self, frames: Sequence[Frame]) -> tuple[Planes, list[Placement]]:
        """Letterbox."""
        with self._watch.on("prepare"):
            return super().prepare(frames)

    def run(self, planes: Planes) -> Outputs:
        """The network."""
        with self._watch.on("run"):
            return super().run(planes)

    def read(self, outputs: Outputs, places: Sequence[Placement]) -> list[Boxes]:
        """Boxes of its answer."""
        with self._watch.on("read"):
            return super().read(outputs, places)


class TimedEyes(Eyes):
    """Eyes whose stages are timed."""

    def __init__(self, detector: Detector, watch: Watch) -> None:
        super().__init__(camera(exact(POSE)), FRAME, detector, START_MS)
        self._watch = watch

    def choose(self, frames: Sequence[TimedFrame]) -> list[bool]:
        """The gate."""
        with self._watch.on("choose"):
            return super().choose(frames)

    def take(self, frames: Sequence[TimedFrame], boxes: Sequence[Boxes | None]) -> list[Seen]:
        """Tracks, places, speeds and rows."""
        with self._watch.on("take"):
            return super().take(frames, boxes)


def main() -> int:
    """Measures and prints a table or JSON lines, and the figure; 1 where a goal is missed."""
    add = (
        parser := argparse.ArgumentParser(prog="python -m tests.benchmarks.vision", description=__doc__)
    ).add_argument
    add("--cameras", type=int, nargs="*", default=[1, 4, 16], help="how many cameras share a run of the network")
    add("--frames", type=int, default=905, help="frames in all, those before measuring included")
    add("--json", action="store_true", help="print a JSON line for each")
    asked = parser.parse_args()
    found = [measure(cameras, asked.frames) for cameras in asked.cameras]
    if asked.json:
        print(*(msgspec.json.encode(cost).decode() for cost in found), sep="\n")
    else:
        print("| " + " | ".join(Cost.__struct_fields__) + " |", "|" + " --- |" * len(Cost.__struct_fields__), sep="\n")
        rows = (msgspec.structs.astuple(cost) for cost in found)
        print(*("| " + " | ".join(f"{value:.4g}" for value in row) + " |" for row in rows), sep="\n")
        print("; ".join([*machine().values(), f"OpenCV {cv2.__version__}"]), file=sys.stderr)
    beside, per_second = found[0].beside, min(cost.per_second for cost in found)
    told = f"cameras {found[0].cameras}: {beside:.1%} beside network and decoding (wanted at most {MOST_BESIDE:.0%}); "
    told += f"{per_second:.0f} frames a second of a core at least (wanted at least {LEAST_PER_SECOND:.0f})"
    print(told, file=sys.stderr)
    return int(beside > MOST_BESIDE or per_second < LEAST_PER_SECOND)


def measure(cameras: int, frames: int) -> Cost:
    """The cost of `frames` frames, seen by so many cameras at once."""
    watch, each = Watch(), AT_A_TIME if cameras == 1 else 1
    network = shared() / "data/onnx-detector/yolox_nano.onnx"
    detector = TimedDetector(yolox_nano(), network.read_bytes() if cameras == 1 else _opened(network), watch)
    video = str(shared() / "data/traffic-video/suburban_junction.mp4")
    watched = [(TimedEyes(detector, watch), _started(video, BETWEEN_CAMERAS * number)) for number in range(cameras)]
    marks, counts = [], []
    for number in range(0, frames // cameras - each + 1, each):
        done = number * cameras
        if number >= WARM_UP and (not counts or done - counts[-1] >= STRETCH):
            marks.append(watch.now())
            counts.append(done)
        with watch.on("video"):
            given = [(eyes, _read(capture, number, each)) for eyes, capture in watched]
        seen = see_together(detector, given)
        with watch.on("lines"):
            for looked in seen:
                b"".join(line for each_seen in looked for line in to_lines(each_seen.observations))
    marks.append(watch.now())
    counts.append((number + each) * cameras)
    return _cost(cameras, counts, marks, sum(eyes.counters.skipped for eyes, _ in watched))


def _cost(cameras: int, counts: list[int], marks: list[dict[str, float]], skipped: int) -> Cost:
    stretches = [{name: b[name] - a[name] for name in a} for a, b in pairwise(marks)]
    frames = counts[-1] - counts[0]
    whole = {name: sum(stretch[name] for stretch in stretches) for name in marks[0]}
    stages = {f"{stage}_ms": 1000.0 * whole[stage] / frames for stage in STAGES}
    return Cost(
        cameras=cameras, frames=frames, skipped=skipped, **stages,
        video_ms=1000.0 * (whole["video"] + whole["threads"]) / frames, beside=median(map(_beside, stretches)),
        per_second=frames / (whole["mine"] + whole["threads"]), load=os.getloadavg()[0] / (os.cpu_count() or 1),
    )  # fmt: skip


def _beside(spent: dict[str, float]) -> float:
    """All but decoding and running the network, as a share of these two."""
    video = spent["video"] + spent["threads"]
    return (spent["mine"] - spent["video"] - spent["run"]) / (video + spent["run"])


def shared() -> Path:
    """The folder of shared data."""
    return Path(os.environ.get("CITY_BRAIN_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


def _opened(path: Path) -> bytes:
    """The network with any number of frames at once."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return bytes(model.SerializeToString())


def _started(video: str, ahead: int) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(video)
    for _ in range(ahead):
        capture.grab()
    return capture


def _read(capture: cv2.VideoCapture, first: int, count: int) -> list[TimedFrame]:
    return [TimedFrame(round(FRAME_MS * number), capture.read()[1]) for number in range(first, first + count)]


if __name__ == "__main__":
    sys.exit(main())
