"""`python -m tests.benchmarks.vision`: what a frame costs beside its network, for 1, 4 and 16 cameras on one core.

YOLOX-nano of the shared data, its batch made open, looks at the junction of the shared video; the cameras are the same
video, each some seconds on. Time is that of the thread that works, since other programs may share the machine; decoding
the video, which has threads of its own, is measured by itself, as the time of the process.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import cv2
import msgspec
import onnx

from city_brain.vision.detector import Detector
from city_brain.vision.motion import MotionGate, MotionSettings
from tests.benchmarks.measuring import machine
from tests.vision.samples import yolox_nano

BETWEEN_CAMERAS = 40
"""Frames that a camera is ahead of the one before it."""
WARM_UP = 5
GOAL = 0.10
"""Everything but decoding and running the network, of the time of all."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds for each frame, by stage; `beside` is the share of `gate`, `prepare` and `read` in all."""

    cameras: int
    frames: int
    video_ms: float
    gate_ms: float
    prepare_ms: float
    run_ms: float
    read_ms: float
    boxes: float
    beside: float
    per_second: float
    load: float


def main() -> int:
    """Measures and prints a table or JSON lines; 1 where the goal is missed."""
    add = (
        parser := argparse.ArgumentParser(prog="python -m tests.benchmarks.vision", description=__doc__)
    ).add_argument
    add("--cameras", type=int, nargs="*", default=[1, 4, 16], help="how many cameras share a run of the network")
    add("--frames", type=int, default=320, help="frames in all")
    add("--json", action="store_true", help="print a JSON line for each")
    asked = parser.parse_args()
    found = [measure(cameras, asked.frames) for cameras in asked.cameras]
    if asked.json:
        print(*(msgspec.json.encode(cost).decode() for cost in found), sep="\n")
    else:
        print("| " + " | ".join(Cost.__struct_fields__) + " |", "|" + " --- |" * len(Cost.__struct_fields__), sep="\n")
        print(
            *("| " + " | ".join(f"{value:.4g}" for value in msgspec.structs.astuple(cost)) + " |" for cost in found),
            sep="\n",
        )
        print("; ".join([*machine().values(), f"OpenCV {cv2.__version__}"]), file=sys.stderr)
    return int(any(cost.beside > GOAL for cost in found))


def measure(cameras: int, frames: int) -> Cost:
    """The cost of `frames` frames, seen by so many cameras at once."""
    video, rounds = str(shared() / "data/traffic-video/suburban_junction.mp4"), max(1, frames // cameras)
    detector = Detector(yolox_nano(), _opened(shared() / "data/onnx-detector/yolox_nano.onnx"))
    watched = [_started(video, BETWEEN_CAMERAS * number) for number in range(cameras)]
    gates = [MotionGate(MotionSettings()) for _ in watched]
    spent, boxes = [0.0] * 4, 0
    for number in range(WARM_UP + rounds):
        seen = [camera.read()[1] for camera in watched]
        times = [time.thread_time()]
        for gate, frame in zip(gates, seen, strict=True):
            gate.opens(frame, 40 * number)
        times.append(time.thread_time())
        planes, places = detector.prepare(seen)
        times.append(time.thread_time())
        outputs = detector.run(planes)
        times.append(time.thread_time())
        found = detector.read(outputs, places)
        times.append(time.thread_time())
        if number >= WARM_UP:
            spent = [spent[stage] + times[stage + 1] - times[stage] for stage in range(4)]
            boxes += sum(of_frame.n for of_frame in found)
    seen_in_all = cameras * rounds
    gating, prepare, run, read = (1000.0 * s / seen_in_all for s in spent)
    decoding = _decoding_ms(video)
    whole = decoding + gating + prepare + run + read
    return Cost(
        cameras=cameras, frames=seen_in_all, video_ms=decoding, gate_ms=gating, prepare_ms=prepare, run_ms=run,
        read_ms=read, boxes=boxes / seen_in_all, beside=(gating + prepare + read) / whole, per_second=1000.0 / whole,
        load=os.getloadavg()[0] / (os.cpu_count() or 1),
    )  # fmt: skip


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
    camera = cv2.VideoCapture(video)
    for _ in range(ahead % 600):
        camera.grab()
    return camera


def _decoding_ms(video: str, frames: int = 300) -> float:
    """Processor time for each frame of the video, all its threads together."""
    camera = cv2.VideoCapture(video)
    begun = time.process_time()
    for _ in range(frames):
        camera.read()
    return 1000.0 * (time.process_time() - begun) / frames


if __name__ == "__main__":
    sys.exit(main())
