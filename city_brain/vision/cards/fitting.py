"""Whether inputs and outputs of a network can be what its card says: one picture in, one layout out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from city_brain.errors import ModelError
from city_brain.vision.cards.card import LEAST_SIDE, MOST_SIDE, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

Shape = tuple[int, ...]
"""Dims of a tensor; -1 where the file leaves one open."""

FLOAT32: Final = 1
MOST_BATCH: Final = 64
"""Of a network that takes so many frames at once and no other number."""
_OPEN: Final = -1
_SIDES_OF_A_BOX: Final = 4
_COLUMNS_AFTER_NMS: Final = 6
"""x0, y0, x1, y1, score, label."""
_LEAST_BINS: Final = 2
"""Of the distribution over the distance to a side, in NanoDet."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Input and outputs, as the file declares them."""

    input: str
    shape: tuple[int, int, int, int]
    """Batch (-1: any), 3, height, width."""
    outputs: tuple[str, ...]
    output_shapes: tuple[Shape | None, ...]
    """None where the file says nothing of a shape."""


def signature(model: "ModelProto", card: ModelCard | None, place: str) -> Signature:
    """Input and outputs of a walked model; with a card they must fit it. Raises ModelError."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    if len(inputs) != 1:
        names = [value.name[:80] for value in inputs[:8]]
        raise ModelError(f"{place}: input: wanted one picture, got {len(inputs)} inputs: {names}")
    shape = _input_shape(inputs[0], card, place)
    outputs = model.graph.output
    if not 0 < len(outputs) <= 8:
        raise ModelError(f"{place}: output: wanted 1 to 8, got {len(outputs)}")
    for output in outputs:
        if output.type.tensor_type.elem_type != FLOAT32:
            got = f"elements of type {output.type.tensor_type.elem_type}"
            raise ModelError(f"{place}: output {output.name[:80]!r}: wanted a tensor of float32, got {got}")
    shapes = tuple(_shape(output) for output in outputs)
    if card is not None:
        check_outputs(shapes, card, place)
    return Signature(
        input=inputs[0].name, shape=shape, outputs=tuple(output.name for output in outputs), output_shapes=shapes
    )


def _input_shape(value: "ValueInfoProto", card: ModelCard | None, place: str) -> tuple[int, int, int, int]:
    at = f"{place}: input {value.name[:80]!r}"
    if value.type.tensor_type.elem_type != FLOAT32:
        raise ModelError(f"{at}: wanted a tensor of float32, got type {value.type.tensor_type.elem_type}")
    shape = _shape(value)
    sides = f"{card.input.height} × {card.input.width}" if card is not None else "height × width"
    wanted = f"batch × 3 × {sides}, only the batch open and at most {MOST_BATCH}"
    if shape is None or len(shape) != 4:
        raise ModelError(f"{at}: wanted {wanted}, got {_told(shape)}")
    batch, channels, height, width = shape
    fits = channels == 3 and (batch == _OPEN or 1 <= batch <= MOST_BATCH) and min(height, width) >= LEAST_SIDE
    fits = fits and max(height, width) <= MOST_SIDE
    if not fits or (card is not None and (height, width) != (card.input.height, card.input.width)):
        raise ModelError(f"{at}: wanted {wanted}, got {_told(shape)}")
    return batch, channels, height, width


def _shape(value: "ValueInfoProto") -> Shape | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else _OPEN for dim in value.type.tensor_type.shape.dim)


def check_outputs(shapes: Sequence[Shape | None], card: ModelCard, place: str) -> None:
    """Raises ModelError where outputs of such shapes, declared or seen, cannot be the card's layout."""
    labels = len(card.labels)
    if card.layout == "detr" and len(shapes) == 2:
        boxes = [shape for shape in shapes if _is(shape, (_OPEN, _OPEN, _SIDES_OF_A_BOX))]
        logits = [shape for shape in shapes if any(_is(shape, (_OPEN, _OPEN, labels + more)) for more in (0, 1))]
        if boxes and logits:
            return
        wanted = f"batch × queries × 4 and batch × queries × {labels}"
        raise ModelError(f"{place}: output: wanted {wanted} for the layout detr, got {_all(shapes)}")
    wanted_shape = {
        "yolox": (_OPEN, cells(card), 5 + labels),
        "yolov8": (_OPEN, 4 + labels, _OPEN),
        "yolov8_nms": (_OPEN, _OPEN, _COLUMNS_AFTER_NMS),
        "detr": (_OPEN, _OPEN, _SIDES_OF_A_BOX + labels),
        "nanodet": (_OPEN, cells(card), _OPEN),
    }[card.layout]
    fits = len(shapes) == 1 and _is(shapes[0], wanted_shape)
    if fits and card.layout == "nanodet" and shapes[0] is not None and shapes[0][2] != _OPEN:
        bins, rest = divmod(shapes[0][2] - labels, _SIDES_OF_A_BOX)
        fits = rest == 0 and bins >= _LEAST_BINS
    if not fits:
        last = f"{labels} + 4 × bins" if card.layout == "nanodet" else ""
        wanted = f"one of {_told(wanted_shape, last)}"
        raise ModelError(f"{place}: output: wanted {wanted} for the layout {card.layout}, got {_all(shapes)}")


def cells(card: ModelCard) -> int:
    """Cells of all grids that lie over the input."""
    sides = card.input.width, card.input.height
    return sum((-(-sides[0] // stride)) * (-(-sides[1] // stride)) for stride in card.strides)


def _is(shape: Shape | None, wanted: Shape) -> bool:
    """Whether a shape can be the wanted one, where either leaves dims open."""
    if shape is None:
        return True
    return len(shape) == len(wanted) and all(
        got == want or (_OPEN in (got, want) and got != 0) for got, want in zip(shape, wanted, strict=True)
    )


def _told(shape: Shape | None, last: str = "") -> str:
    if shape is None:
        return "no shape"
    words = ["any" if size == _OPEN else str(size) for size in shape[:10]]
    return " × ".join([*words[:-1], last] if last else words) or "a single number"


def _all(shapes: Sequence[Shape | None]) -> str:
    return " and ".join(_told(shape) for shape in shapes[:8]) or "none"
