"""Outputs are held against the layout of the card: what it can be passes, all else is refused."""

from collections.abc import Sequence

import msgspec
import pytest

from city_brain.errors import ModelError
from city_brain.vision.cards.card import InputSpec, ModelCard
from city_brain.vision.cards.fitting import Shape, cells, check_outputs
from tests.vision.cards.networks import CARD

LABELS = tuple(f"label {at}" for at in range(80))
COCO = msgspec.structs.replace(
    CARD,
    labels=LABELS,
    classes={LABELS[0]: "person"},
    input=InputSpec(width=416, height=416, colour="bgr"),
    strides=(8, 16, 32),
)


def _card(layout: str, strides: tuple[int, ...] = (8, 16, 32)) -> ModelCard:
    return msgspec.structs.replace(COCO, layout=layout, strides=strides)


def test_cells_are_those_of_all_grids() -> None:
    """416² has 52² + 26² + 13² cells; a grid that does not divide the side has a last, cut cell."""
    assert cells(_card("yolox")) == 3549
    assert cells(_card("nanodet", (8, 16, 32, 64))) == 3549 + 7 * 7


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        ("yolox", [(1, 3549, 85)]),
        ("yolox", [(-1, 3549, 85)]),
        ("yolox", [(-1, -1, -1)]),
        ("yolox", [None]),
        ("yolov8", [(1, 84, 3549)]),
        ("yolov8", [(-1, 84, -1)]),
        ("yolov8_nms", [(1, 300, 6)]),
        ("yolov8_nms", [(1, -1, 6)]),
        ("detr", [(1, 300, 84)]),
        ("detr", [(1, 300, 80), (1, 300, 4)]),
        ("detr", [(1, 300, 4), (1, 300, 80)]),
        ("detr", [(1, 100, 81), (1, 100, 4)]),
        ("nanodet", [(1, 3549, 112)]),
    ],
)
def test_what_a_layout_can_be_passes(layout: str, shapes: Sequence[Shape | None]) -> None:
    """Also where the file leaves dims or the whole shape open: the first run will tell."""
    card = _card(layout)
    check_outputs(shapes, card, "x")
    assert card.layout == layout


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        ("yolox", [(1, 3549, 84)]),
        ("yolox", [(1, 85, 3549)]),
        ("yolox", [(1, 8400, 85)]),
        ("yolox", [(3549, 85)]),
        ("yolox", [()]),
        ("yolox", []),
        ("yolox", [(1, 3549, 85), (1, 3549, 85)]),
        ("yolov8", [(1, 3549, 84)]),
        ("yolov8", [(1, 84, 0)]),
        ("yolov8_nms", [(1, 300, 7)]),
        ("yolov8_nms", [(1, 84, 3549)]),
        ("detr", [(1, 300, 6)]),
        ("detr", [(1, 300, 80), (1, 300, 5)]),
        ("detr", [(1, 300, 79), (1, 300, 4)]),
        ("detr", [(1, 300, 80), (1, 300, 4), (1, 300, 4)]),
        ("nanodet", [(1, 3549, 111)]),
        ("nanodet", [(1, 3549, 84)]),
        ("nanodet", [(1, 2125, 112)]),
    ],
)
def test_what_a_layout_cannot_be_is_refused(layout: str, shapes: Sequence[Shape | None]) -> None:
    """The message names the layout, and both shapes."""
    with pytest.raises(ModelError, match=f"^x: output: wanted .* for the layout {layout}, got "):
        check_outputs(shapes, _card(layout), "x")
