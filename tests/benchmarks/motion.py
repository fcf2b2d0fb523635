"""`python -m tests.benchmarks.motion`: what the motion gate saves on the junction, and what it misses.

The network looks at every frame of the shared video. Of the frames that the gate would have skipped, those count as
missed that have a sure box where the last look had none: nothing of them would have been known until the next look.

Then things of 20 x 15 pixels are drawn over a still street with grain, unlike it by so many levels of brightness, or of
one colour alone: which share of their frames the gate does not see. Exit code 1 where it is more than one of a hundred
at `SURE_LEVELS`, or where the gate as it is by default misses one of a hundred sure frames of the junction.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np

from city_brain.types import Floats
from city_brain.vision.detections import Boxes
from city_brain.vision.detector import Detector
from city_brain.vision.letterbox import Frame
from city_brain.vision.motion import MotionGate, MotionSettings
from tests.benchmarks.vision import shared
from tests.vision import moving
from tests.vision.samples import yolox_nano

SURE = 0.4
"""Boxes of a lower score come and go from frame to frame, with or without a gate."""
PLACE = 0.5
"""Intersection over union with a box of the last look from which a box is at the same place."""
FRAME_MS = 1000 / 24.0129
HEAD = ("after_ms", "every_ms", "frames", "skipped", "sure", "skipped, sure", "missed", "longest shut ms", "gate ms")
LEVELS = (4, 6, 8, 12, 16, 24)
SURE_LEVELS = 16
SEEDS = range(5)
MOST_MISSED = 0.01
UNLIKE = {
    "brighter": (1, 0, 0),
    "darker": (-1, 0, 0),
    "redder": (0, 1, 0),
    "less red": (0, -1, 0),
    "bluer": (0, 0, 1),
    "less blue": (0, 0, -1),
}


def main() -> int:
    """Prints a row for each setting, and for each way to be unlike the street; 1 where too much is missed."""
    argparse.ArgumentParser(prog="python -m tests.benchmarks.motion", description=__doc__).parse_args()
    detector = Detector(yolox_nano(), (shared() / "data/onnx-detector/yolox_nano.onnx").read_bytes())
    boxes = [boxes for frame in _frames() for boxes in detector.detect([frame])]
    print("| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD), sep="\n")
    wrong = False
    for after_ms in (1000, 500, 250, 100):
        row = _gated(boxes, settings := MotionSettings(after_ms=after_ms))
        wrong |= settings == MotionSettings() and row[6] > MOST_MISSED * row[4]
        print("| " + " | ".join(f"{value:.4g}" for value in row) + " |", flush=True)
    print(
        "| missed of | " + " | ".join(f"{level} levels" for level in LEVELS) + " |",
        "|" + " --- |" * (1 + len(LEVELS)),
        sep="\n",
    )
    for name, way in UNLIKE.items():
        shares = [_missed(level, way) for level in LEVELS]
        wrong |= shares[LEVELS.index(SURE_LEVELS)] > MOST_MISSED
        print(f"| {name} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |", flush=True)
    return int(wrong)


def _frames() -> Iterator[Frame]:
    video = cv2.VideoCapture(str(shared() / "data/traffic-video/suburban_junction.mp4"))
    while (read := video.read())[0]:
        yield cast(Frame, read[1])


def _gated(boxes: list[Boxes], settings: MotionSettings) -> tuple[float, ...]:
    gate, last, longest = MotionGate(settings), 0, 0
    skipped = skipped_sure = missed = 0
    spent_s = 0.0
    for number, frame in enumerate(_frames()):
        begun_s = time.thread_time()
        opens = gate.opens(frame, round(FRAME_MS * number))
        spent_s += time.thread_time() - begun_s
        longest = max(longest, number - last)
        if opens:
            last = number
            continue
        sure = boxes[number].box[boxes[number].score >= SURE]
        skipped, skipped_sure = skipped + 1, skipped_sure + bool(len(sure))
        missed += any(not _has_place(box, boxes[last].box) for box in sure)
    frames, sure_in_all = len(boxes), sum(bool((seen.score >= SURE).any()) for seen in boxes)
    times_ms = (FRAME_MS * longest, 1000.0 * spent_s / frames)
    return (settings.after_ms, settings.every_ms, frames, skipped, sure_in_all, skipped_sure, missed, *times_ms)


def _missed(level: int, way: tuple[int, int, int]) -> float:
    change = moving.shade(*(float(level * part) for part in way))
    return float(np.mean([moving.missed(change, seed) for seed in SEEDS]))


def _has_place(box: Floats, others: Floats) -> bool:
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0.0)
    both = sides.prod(axis=1)
    areas = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1)
    return bool((both > PLACE * (areas - both)).any())


if __name__ == "__main__":
    sys.exit(main())
