"""Frames of several cameras through one network at once: boxes in pixels of each frame."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from city_brain.errors import ModelError, SettingsError
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.cards.fitting import MOST_FRAMES, SIZES
from city_brain.vision.cards.sessions import feed, open_session
from city_brain.vision.decode import Outputs, decode
from city_brain.vision.detections import Boxes, with_area
from city_brain.vision.letterbox import Frame, Placement, Planes, Scratch, fill
from city_brain.vision.nms import best, suppress

OVERLAPPING: Final = ("yolox", "yolov8", "nanodet")
"""Layouts that say a thing many times; the others have one box for each."""


class Detector:
    """A network with its card; frames in, boxes out. For one thread at a time.

    `weights` are the bytes of a file in ONNX, as `check_weights` gives them. Memory: besides the network, its input for
    as many frames as came at once, at most `most`, as the check found it. OpenCV keeps to `threads` too, in all of the
    process. Raises ModelError where the runtime refuses the network or its input is not that of the card, SettingsError
    where it does not know a provider or `threads` is below one.
    """

    def __init__(
        self,
        card: ModelCard,
        weights: bytes,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        threads: int = 1,
        most: int = MOST_FRAMES,
    ) -> None:
        import cv2

        if threads < 1:
            raise SettingsError(f"threads: wanted at least 1, got {threads}")
        cv2.setNumThreads(threads)
        self.card = card
        _check(providers)
        self._session = open_session(weights, card.name, threads, providers)
        self._most = most
        self._input, self._batch = _read_input(card, self._session)
        self._wants_sizes = SIZES in [wanted.name for wanted in self._session.get_inputs()]
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._planes = np.empty((0, 3, card.input.height, card.input.width), dtype=np.float32)
        self._held: list[Placement | None] = []
        self._scratch = Scratch()
        ours = sorted(set(card.classes.values()))
        number = {label: ours.index(name) for label, name in card.classes.items()}
        number |= {label: len(ours) + at for at, label in enumerate(card.blur)}
        self._group = np.array([number.get(label, -1) for label in card.labels], dtype=np.int64)
        self._told = np.array([label in card.classes for label in card.labels], dtype=np.bool_)

    def detect(self, frames: Sequence[Frame]) -> list[Boxes]:
        """The boxes of each frame, by falling score; only those whose label has a class of ours, or is to be hidden.

        The network runs on up to `MOST_FRAMES` frames before the first answer is read, so that what reads is warm.
        """
        found: list[Boxes] = []
        answers: list[tuple[Outputs, list[Placement]]] = []
        most = self._batch or self._most
        for first in range(0, len(frames), most):
            planes, places = self.prepare(frames[first : first + most])
            answers.append((self.run(planes), places))
            if len(answers) * most >= MOST_FRAMES or first + most >= len(frames):
                found += [boxes for outputs, places in answers for boxes in self.read(outputs, places)]
                answers.clear()
        return found

    def prepare(self, frames: Sequence[Frame]) -> tuple[Planes, list[Placement]]:
        """Frames as the network's input, which holds until the next call; zeros fill up a fixed batch."""
        wanted = self._batch or len(frames)
        if len(self._planes) < wanted:
            self._planes, self._held = np.zeros((wanted, *self._planes.shape[1:]), dtype=np.float32), []
        held, self._held = self._held, []  # a frame that is refused leaves planes that nobody knows
        held += [None] * (wanted - len(held))
        spec = self.card.input
        places = [fill(spec, *slot, self._scratch) for slot in zip(frames, self._planes, held, strict=False)]
        self._planes[len(frames) : wanted] = 0.0
        self._held = [*places, *[None] * (wanted - len(places)), *held[wanted:]]
        return self._planes[:wanted], places

    def run(self, planes: Planes) -> Outputs:
        """What the network says, by name of its outputs; ModelError where the runtime fails."""
        try:
            given = self._session.run(self._outputs, feed(planes, self._input, self._wants_sizes))
        except _failures() as wrong:
            raise ModelError(f"{self.card.name}: wanted a run of the network, got {_first_line(wrong)}") from wrong
        return dict(zip(self._outputs, given, strict=True))

    def read(self, outputs: Outputs, places: Sequence[Placement]) -> list[Boxes]:
        """The boxes of frames that were placed so in the input; ModelError as in `decode`."""
        decoded = decode(self.card, outputs, len(places))
        return [self._of_frame(boxes, at) for boxes, at in zip(decoded, places, strict=True)]

    def _of_frame(self, boxes: Boxes, at: Placement) -> Boxes:
        limits = self.card.thresholds
        boxes = boxes.take(self._group[boxes.label] >= 0)
        if self.card.layout in OVERLAPPING:
            group = self._group[boxes.label]
            boxes = boxes.take(suppress(boxes.box, boxes.score, group, limits.iou, limits.most))
        else:
            boxes = boxes.take(best(boxes.score, limits.most))
        inside = Boxes(at.to_frame(boxes.box), boxes.score, boxes.label)
        inside = inside.take(with_area(inside.box))
        if not self.card.blur:
            return inside
        told = self._told[inside.label]
        return replace(inside.take(told), hidden=inside.box[~told])


def _check(providers: Sequence[str]) -> None:
    import onnxruntime

    known = onnxruntime.get_available_providers()
    for provider in providers:
        if provider not in known:
            raise SettingsError(f"providers: wanted one of {', '.join(known)}, got {provider!r}")


def _read_input(card: ModelCard, session: Any) -> tuple[str, int]:
    """Name of the picture's input, and how many it takes at once, 0 where that is open; ModelError where none fits."""
    inputs = [wanted for wanted in session.get_inputs() if wanted.name != SIZES]
    wanted = (3, card.input.height, card.input.width)
    got = ", ".join(f"{given.name} {given.shape} of {given.type}" for given in inputs)
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4
    if not fits or any(isinstance(b, int) and a != b for a, b in zip(wanted, inputs[0].shape[1:], strict=True)):
        raise ModelError(f"{card.name}: wanted one input (batch, 3, {wanted[1]}, {wanted[2]}) of floats, got {got}")
    batch = inputs[0].shape[0]
    return inputs[0].name, batch if isinstance(batch, int) else 0


def _failures() -> tuple[type[Exception], ...]:
    """All that the runtime raises; its errors have no class in common but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    own = [kind for kind in vars(runtime).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError, OSError)


def _first_line(wrong: Exception) -> str:
    return (str(wrong).splitlines() or [type(wrong).__name__])[0][:200]
