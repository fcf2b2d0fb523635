"""The child in which a network is tried out: `python -m city_brain.vision.cards.child`, told on standard input.

It bounds its own memory, processor time, open files and what it may write before it parses a byte of the file.
"""

import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec

from city_brain.errors import ModelError
from city_brain.measuring.memory import peak_bytes
from city_brain.vision.cards.checking import Errand, Report, Verdict
from city_brain.vision.cards.fitting import MOST_FRAMES, Signature, check_outputs, signature
from city_brain.vision.cards.walking import Walked, parse, walk
from city_brain.vision.children.bounding import bound

if TYPE_CHECKING:
    import numpy as np
    from onnxruntime import InferenceSession

    from city_brain.types import Column, Floats

_SEED: Final = 1
_MOST_ERRAND: Final = 2**20
_TOGETHER: Final = 2
"""Frames in the run that shows what each further one takes."""
_SPARE: Final = 0.5
"""Share of the processor time that must be left for that run."""


def main() -> None:
    """Reads the errand and the file, and prints the verdict as a line of JSON."""
    errand = msgspec.json.decode(sys.stdin.buffer.readline(_MOST_ERRAND), type=Errand)
    bound(errand.memory_bytes, errand.cpu_s)
    try:
        verdict = Verdict(report=_report(errand, sys.stdin.buffer.read(errand.size)))
    except ModelError as wrong:
        verdict = Verdict(refused=str(wrong))
    except MemoryError:
        wanted = f"a network that loads and runs within {errand.memory_bytes >> 20} MiB"
        verdict = Verdict(refused=f"{errand.place}: wanted {wanted}, got one that asks for more")
    sys.stdout.buffer.write(msgspec.json.encode(verdict))


def _report(errand: Errand, data: bytes) -> Report:
    walked, signed = _walked(errand, data)
    from city_brain.vision.cards.sessions import open_session

    began = time.perf_counter()
    session = open_session(data, errand.place)
    loaded = time.perf_counter()
    for picture in _pictures(errand, signed):
        started = time.perf_counter()
        answers = _run(session, signed, picture, errand.place)
        ended = time.perf_counter()
        _check_answers(errand, signed, answers)
    batch, _, height, width = signed.shape
    frames = batch if batch > 0 else _frames(errand, session, signed, picture, ended - started)
    return Report(
        opset=walked.opset,
        nodes=walked.nodes,
        tensors=walked.tensors,
        tensor_bytes=walked.tensor_bytes,
        input=signed.input,
        sizes=signed.sizes,
        batch=batch if batch > 0 else None,
        frames=frames,
        height=height,
        width=width,
        outputs={name: answer.shape for name, answer in zip(signed.outputs, answers, strict=True)},
        load_ms=1000 * (loaded - began),
        run_ms=1000 * (ended - started),
        peak_bytes=peak_bytes(),
    )


def _frames(errand: Errand, session: "InferenceSession", signed: Signature, picture: "Column", run_s: float) -> int:
    """How many frames at once stay within the memory of the errand, by what a second one takes; 1 where that fails, or
    there is no time to try.
    """
    import numpy as np

    if time.process_time() + _TOGETHER * run_s > _SPARE * errand.cpu_s:
        return 1
    before = peak_bytes()
    try:
        answers = _run(session, signed, np.repeat(picture, _TOGETHER, axis=0), errand.place)
        _check_answers(errand, signed, answers)
    except (ModelError, MemoryError):
        return 1
    each = max((peak_bytes() - before) // (_TOGETHER - 1), picture.nbytes)
    return min(max(1 + (errand.memory_bytes - before) // each, 1), MOST_FRAMES)


def _walked(errand: Errand, data: bytes) -> tuple[Walked, Signature]:
    """The parsed model is gone when this returns: loading wants the memory."""
    model = parse(data, errand.place)
    return walk(model, errand.place), signature(model, errand.card, errand.place)


def _pictures(errand: Errand, signed: Signature) -> "list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]":
    """A grey picture and a noisy one, as the card would have them."""
    import numpy as np

    batch, *rest = signed.shape
    shape = (max(batch, 1), *rest)
    noise = np.random.default_rng(_SEED).integers(0, 256, shape).astype(np.float32)
    pictures = [np.full(shape, 114.0, np.float32), noise]
    if errand.card is None:
        return pictures
    spec = errand.card.input
    mean, std = (np.array(said, np.float32).reshape(3, 1, 1) for said in (spec.mean, spec.std))
    return [(picture * np.float32(spec.scale) - mean) / std for picture in pictures]


def _run(session: "InferenceSession", signed: Signature, picture: "Column", place: str) -> "list[Floats]":
    from city_brain.vision.cards.sessions import feed

    try:
        answers: list[Floats] = session.run(list(signed.outputs), feed(picture, signed.input, signed.sizes))
    except MemoryError:
        raise
    except Exception as wrong:
        told = str(wrong).splitlines()
        raise ModelError(f"{place}: wanted a network that runs, got {(told or [''])[0][:300]}") from wrong
    return answers


def _check_answers(errand: Errand, signed: Signature, answers: "list[Floats]") -> None:
    import numpy as np

    if errand.card is not None:
        shapes = {name: answer.shape for name, answer in zip(signed.outputs, answers, strict=True)}
        check_outputs(shapes, errand.card, errand.place)
    if not all(bool(np.isfinite(answer).all()) for answer in answers):
        raise ModelError(f"{errand.place}: output: wanted finite numbers, got some that are not")


if __name__ == "__main__":
    main()
