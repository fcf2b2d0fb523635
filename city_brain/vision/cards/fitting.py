"""Whether inputs and outputs of a network can be what its card says: one picture in, one layout out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from city_brain.errors import ModelError
from city_brain.vision.cards.card import LEAST_SIDE, MOST_SIDE, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

Shape = tuple[int, ...]
"""Dims of a tensor; -1 where the file leaves one open."""

BINS: Final = 8
"""Of the distribution over the distance to a side, in NanoDet."""
MOST_BATCH: Final = 64
"""Of a network that takes so many frames at once and no other number."""
MOST_FRAMES: Final = 16
"""Frames in one run of a network that takes any number: 16 of 640 x 640 are 79 MB of input."""
SIZES: Final = "orig_target_sizes"
"""A second input of some networks of layout `detr`: in which size they give their boxes (n, 2), width and height."""
_FLOAT32: Final = 1
_INTEGERS: Final = (6, 7)
_OPEN: Final = -1


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Input and outputs, as the file declares them."""

    input: str
    shape: tuple[int, int, int, int]
    """Batch (-1: any), 3, height, width."""
    sizes: bool
    """Whether the network wants `SIZES` as well."""
    outputs: tuple[str, ...]


def signature(model: "ModelProto", card: ModelCard | None, place: str) -> Signature:
    """Input and outputs of a walked model; with a card they must fit it. Raises ModelError."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    pictures = [value for value in inputs if not _is_sizes(value, card)]
    if len(pictures) != 1 or len(inputs) > 2:
        names = [value.name[:80] for value in inputs[:8]]
        raise ModelError(f"{place}: input: wanted one picture, got {len(inputs)} inputs: {names}")
    shape = _input_shape(pictures[0], card, place)
    outputs = model.graph.output
    if not 0 < len(outputs) <= 8:
        raise ModelError(f"{place}: output: wanted 1 to 8, got {len(outputs)}")
    for output in outputs:
        kind = output.type.tensor_type.elem_type
        if kind != _FLOAT32 and not (kind in _INTEGERS and "label" in str(output.name).lower()):
            at = f"{place}: output {output.name[:80]!r}"
            raise ModelError(f"{at}: wanted a tensor of float32, got elements of type {kind}")
    if card is not None:
        check_outputs({str(output.name): _shape(output) for output in outputs}, card, place)
    return Signature(
        input=pictures[0].name,
        shape=shape,
        sizes=len(inputs) > 1,
        outputs=tuple(output.name for output in outputs),
    )


def _is_sizes(value: "ValueInfoProto", card: ModelCard | None) -> bool:
    fits = value.name == SIZES and value.type.tensor_type.elem_type in _INTEGERS and _is(_shape(value), (_OPEN, 2))
    return fits and (card is None or card.layout == "detr")


def _input_shape(value: "ValueInfoProto", card: ModelCard | None, place: str) -> tuple[int, int, int, int]:
    at = f"{place}: input {value.name[:80]!r}"
    if value.type.tensor_type.elem_type != _FLOAT32:
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


def check_outputs(shapes: Mapping[str, Shape | None], card: ModelCard, place: str) -> None:
    """Raises ModelError where outputs of such names and shapes, declared or seen, cannot be the card's layout."""
    layouts = _layouts(card)
    if not any(_fits(shapes, layout) for layout in layouts):
        wanted = ", or ".join(" and ".join(_named(word, shape) for word, shape in each.items()) for each in layouts)
        got = " and ".join(_named(repr(name[:80]), shape) for name, shape in list(shapes.items())[:8]) or "none"
        raise ModelError(f"{place}: output: wanted {wanted}, for the layout {card.layout}, got {got}")


def _layouts(card: ModelCard) -> list[dict[str, Shape]]:
    """What the outputs may be together: a word that the name of each must hold, and its shape."""
    labels = len(card.labels)
    boxes = {"box": (_OPEN, _OPEN, 4)}
    layouts: dict[str, list[dict[str, Shape]]] = {
        "yolox": [{"": (_OPEN, cells(card), 5 + labels)}],
        "yolov8": [{"": (_OPEN, 4 + labels, _OPEN)}],
        "yolov8_nms": [{"": (_OPEN, _OPEN, 6)}],
        "detr": [
            {**boxes, "logit": (_OPEN, _OPEN, labels)},
            {**boxes, "score": (_OPEN, _OPEN), "label": (_OPEN, _OPEN)},
        ],
        "nanodet": [{"": (_OPEN, cells(card), labels + 4 * BINS)}],
    }
    return layouts[card.layout]


def _fits(shapes: Mapping[str, Shape | None], layout: Mapping[str, Shape]) -> bool:
    named = {word: [name for name in shapes if word in name.lower()] for word in layout}
    return len(shapes) == len(layout) and all(
        len(names) == 1 and _is(shapes[names[0]], layout[word]) for word, names in named.items()
    )


def cells(card: ModelCard) -> int:
    """Cells of all grids that lie over the input."""
    sides = card.input.width, card.input.height
    return sum((-(-sides[0] // stride)) * (-(-sides[1] // stride)) for stride in card.strides)


def _is(shape: Shape | None, wanted: Shape) -> bool:
    """Whether a shape can be the wanted one, where either leaves dims open."""
    if shape is None:
        return True
    same = len(shape) == len(wanted)
    return same and all(got == want or _OPEN in (got, want) for got, want in zip(shape, wanted, strict=True))


def _named(name: str, shape: Shape | None) -> str:
    return f"{name} {_told(shape)}".lstrip()


def _told(shape: Shape | None) -> str:
    if shape is None:
        return "no shape"
    return " × ".join("any" if size == _OPEN else str(size) for size in shape[:10]) or "a single number"
