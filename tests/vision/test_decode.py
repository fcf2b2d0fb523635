"""Raw outputs become the boxes that the published descriptions say, and what does not fit becomes an error."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import ModelError
from city_brain.types import Column
from city_brain.vision.cards.card import ModelCard, Thresholds
from city_brain.vision.decode import decode
from city_brain.vision.detections import Boxes
from tests.vision import reference, samples

SEEDS = st.integers(0, 1 << 32)


def rows(boxes: Boxes) -> list[reference.Row]:
    """Boxes as the reference gives them."""
    return [
        (*box, score, label)
        for box, score, label in zip(boxes.box.tolist(), boxes.score.tolist(), boxes.label.tolist(), strict=True)
    ]


@pytest.mark.parametrize("layout", samples.LAYOUTS)
@given(SEEDS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]), st.sampled_from([(64, 48), (32, 96), (50, 70)]))
def test_decoding_is_what_the_description_says(
    layout: str, seed: int, confidence: float, size: tuple[int, int]
) -> None:
    """A second, slow reading of the same random output has the same boxes, scores and labels in the same order."""
    width, height = size
    card = samples.card(layout, width=width, height=height, thresholds=Thresholds(confidence=confidence))
    output = samples.outputs(card, layout, 2, seed)
    for frame, boxes in enumerate(decode(card, output, 2)):
        wanted = [row for row in reference.read(card, output, frame) if row[2] > row[0] and row[3] > row[1]]
        assert boxes.label.tolist() == [row[5] for row in wanted]
        assert boxes.score == pytest.approx([row[4] for row in wanted], rel=1e-9)
        assert boxes.box == pytest.approx(np.array([row[:4] for row in wanted]).reshape(-1, 4), rel=1e-6, abs=1e-6)


def test_a_known_box_of_yolox() -> None:
    """In the cell at column 3, row 2 of stride 16: a centre half a cell on, sides of two cells and of one."""
    card = samples.card("yolox")
    output = np.zeros((1, samples.cells(card), 8), dtype=np.float32)
    output[0, 8 * 6 + 2 * 4 + 3] = [0.5, 0.5, math.log(2.0), 0.0, 0.8, 0.1, 0.75, 0.2]
    (boxes,) = decode(card, {"output": output}, 1)
    assert rows(boxes) == [pytest.approx((40.0, 32.0, 72.0, 48.0, 0.6, 1), rel=1e-6)]


def test_a_known_box_of_yolov8() -> None:
    """Centre (30, 20), 10 wide, 4 high, and the third label; columns are boxes."""
    output = np.zeros((1, 7, 5), dtype=np.float32)
    output[0, :, 3] = [30, 20, 10, 4, 0.1, 0.2, 0.75]
    (boxes,) = decode(samples.card("yolov8"), {"output0": output}, 1)
    assert rows(boxes) == [(25.0, 18.0, 35.0, 22.0, 0.75, 2)]


def test_a_known_box_of_yolov8_with_suppression() -> None:
    """Corners as they stand; rows of zeros, which fill up the output, are no boxes."""
    output = np.zeros((1, 300, 6), dtype=np.float32)
    output[0, 0] = [25, 18, 35, 22, 0.75, 2]
    (boxes,) = decode(samples.card("yolov8_nms"), {"output0": output}, 1)
    assert rows(boxes) == [(25.0, 18.0, 35.0, 22.0, 0.75, 2)]


def test_a_known_query_of_detr() -> None:
    """Shares of an input of 64 x 48, and a logit of log 3, which is a probability of 0.75; two labels are two boxes."""
    logits, boxes = np.full((1, 300, 3), -9.0, dtype=np.float32), np.zeros((1, 300, 4), dtype=np.float32)
    logits[0, 7], boxes[0, 7] = [-9.0, math.log(3.0), 0.0], [0.5, 0.5, 0.25, 0.5]
    (found,) = decode(samples.card("detr"), {"pred_logits": logits, "pred_boxes": boxes}, 1)
    box = (24.0, 12.0, 40.0, 36.0)
    assert rows(found) == [pytest.approx((*box, 0.75, 1)), pytest.approx((*box, 0.5, 2))]


def test_a_known_point_of_nanodet() -> None:
    """From the cell at column 2, row 1 of stride 8: all weight on 1, 0, 3, and half on 2 and half on 3 strides."""
    card = samples.card("nanodet")
    output = np.zeros((1, samples.cells(card), 3 + 32), dtype=np.float32)
    sides = np.full((4, 8), -200.0)
    sides[0, 1], sides[1, 0], sides[2, 3], sides[3, 2:4] = 0.0, 0.0, 0.0, 0.0
    output[0, 8 + 2] = [0.75, 0.1, 0.2, *sides.ravel()]
    (boxes,) = decode(card, {"output": output}, 1)
    assert rows(boxes) == [pytest.approx((8.0, 8.0, 40.0, 28.0, 0.75, 0))]


@pytest.mark.parametrize("layout", samples.LAYOUTS)
@given(st.data())
def test_what_is_not_finite_is_never_a_box(layout: str, data: st.DataObject) -> None:
    """Whatever numbers stand in an output, boxes are finite with an area and known labels, or it is a ModelError."""
    card = samples.card(layout, thresholds=Thresholds(confidence=data.draw(st.sampled_from([0.0, 0.3]))))
    output = samples.outputs(card, layout, 1, data.draw(SEEDS))
    hostile = st.sampled_from([math.nan, math.inf, -math.inf, 3e38, -3e38, 1e-45, -0.0, 1000.0, -1000.0])
    for name in sorted(output):
        flat = output[name].reshape(-1)
        if flat.dtype.kind == "f":
            for at in data.draw(st.lists(st.integers(0, len(flat) - 1), max_size=40)):
                flat[at] = data.draw(hostile)
    try:
        (boxes,) = decode(card, output, 1)
    except ModelError as told:
        assert "wanted scores" in str(told) or "wanted labels" in str(told)
        return
    assert np.isfinite(boxes.box).all() and (boxes.box[:, 2:] > boxes.box[:, :2]).all()
    assert ((boxes.score >= card.thresholds.confidence) & (boxes.score <= 1.0)).all()
    assert ((boxes.label >= 0) & (boxes.label < len(card.labels))).all()


@pytest.mark.parametrize("layout", samples.LAYOUTS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_output_of_nothing_finite_has_no_boxes(layout: str, bad: float) -> None:
    """A network that has gone wild altogether sees nothing."""
    card = samples.card(layout)
    output = samples.outputs(card, layout, 1, 0)
    wild = {name: np.full_like(values, bad) if values.dtype.kind == "f" else values for name, values in output.items()}
    assert [boxes.n for boxes in decode(card, wild, 1)] == [0]


@pytest.mark.parametrize("layout", samples.LAYOUTS)
def test_one_bad_row_takes_no_other_with_it(layout: str) -> None:
    """The boxes beside a row that is not finite are those that would be there without it."""
    card = samples.card(layout, thresholds=Thresholds(confidence=0.05))
    output = samples.outputs(card, layout, 1, 5)
    (before,) = decode(card, output, 1)
    name = next(name for name in output if "box" in name or "output" in name)
    values = output[name][0].T if layout == "yolov8" else output[name][0]
    values[3] = math.nan
    (after,) = decode(card, output, 1)
    gone = [row for row in rows(before) if row not in rows(after)]
    assert before.n > after.n
    assert len({row[:4] for row in gone}) == 1
    assert [row for row in rows(before) if row not in gone] == rows(after)


def zeros(*shape: int) -> Column:
    """Floats of a shape."""
    return np.zeros(shape, dtype=np.float32)


MISFITS = [
    ("yolox", {"output": zeros(1, 62, 8)}, r"wanted an output \(1, 64, 8\) for layout yolox, got \(1, 62, 8\)"),
    ("yolox", {"output": zeros(1, 64, 85)}, r"got \(1, 64, 85\)"),
    ("yolox", {"output": zeros(64, 8)}, r"got \(64, 8\)"),
    ("yolox", {"output": zeros(0, 64, 8)}, r"got \(0, 64, 8\)"),
    ("yolox", {"output": zeros(1, 64, 8).astype(np.int64)}, "wanted an output of floats .*, got int64"),
    ("yolox", {}, "wanted one output for layout yolox, got none"),
    ("yolox", {"a": zeros(1, 64, 8), "b": zeros(1)}, r"wanted one output .*, got a \(1, 64, 8\), b \(1,\)"),
    ("yolov8", {"output0": zeros(1, 50, 7)}, r"wanted an output \(1, 7, n\) for layout yolov8, got \(1, 50, 7\)"),
    ("yolov8", {"output0": zeros(1, 7)}, r"got \(1, 7\)"),
    ("yolov8_nms", {"output0": zeros(1, 9, 7)}, r"wanted an output \(1, n, 6\) for layout yolov8_nms, got \(1, 9, 7\)"),
    ("detr", {"logits": zeros(1, 9, 3), "boxes": zeros(1, 8, 4)}, r"wanted an output \(1, 8, 3\) .*got \(1, 9, 3\)"),
    ("detr", {"logits": zeros(1, 9, 4), "boxes": zeros(1, 9, 4)}, r"got \(1, 9, 4\)"),
    (
        "detr",
        {"logits": zeros(1, 9, 3), "boxes": zeros(4)},
        r"wanted an output \(1, n, 4\) for layout detr, got \(4,\)",
    ),
    ("detr", {"logits": zeros(1, 9, 3)}, "wanted outputs logits and boxes, or labels, boxes and scores"),
    ("detr", {"a": zeros(1), "b": zeros(1), "boxes": zeros(1, 9, 4)}, "wanted outputs logits and boxes, or labels"),
    (
        "detr",
        {"labels": zeros(1, 9), "boxes": zeros(1, 9, 4), "scores": zeros(1, 8)},
        r"wanted an output \(1, 9\) .*got \(1, 8\)",
    ),
    ("nanodet", {"output": zeros(1, 64, 3 + 44)}, r"wanted an output \(1, 64, 35\) .*got \(1, 64, 47\)"),
]


@pytest.mark.parametrize(("layout", "output", "said"), MISFITS)
def test_outputs_that_do_not_fit_are_errors(layout: str, output: dict[str, Column], said: str) -> None:
    """The error says the network, the shape that its card promises, and the one that came."""
    with pytest.raises(
        ModelError, match=f"sample: {said}" if said.startswith("wanted") else f"sample: wanted .*{said}"
    ):
        decode(samples.card(layout), output, 1)


def test_a_batch_that_came_short_is_an_error() -> None:
    """An answer for one frame where two were asked for belongs to nobody knows which."""
    card = samples.card("yolov8")
    with pytest.raises(ModelError, match=r"wanted an output \(2, 7, n\) .* got \(1, 7, 37\)"):
        decode(card, samples.outputs(card, "yolov8", 1, 0), 2)


@pytest.mark.parametrize("layout", ["yolox", "yolov8", "yolov8_nms", "detr_read", "nanodet"])
def test_scores_that_are_logits_are_an_error(layout: str) -> None:
    """A network that was exported without its last step is not taken for one that is very sure."""
    card = samples.card(layout)
    output = {name: values * 40 if name != "labels" else values for name, values in _sure(card, layout).items()}
    with pytest.raises(ModelError, match=r"sample: wanted scores that are probabilities, got .*; are they logits"):
        decode(card, output, 1)


def _sure(card: ModelCard, layout: str) -> dict[str, Column]:
    """An output whose labels stay what they are, whatever it is multiplied with."""
    output = samples.outputs(card, layout, 1, 3)
    if layout == "yolov8_nms":
        output["output0"][..., 5] = 0.0
    return output


def test_a_score_a_little_above_one_is_one() -> None:
    """Networks of whole numbers round their probabilities, sometimes up."""
    output = np.array([[[1, 1, 9, 9, 1.005, 0]]], dtype=np.float32)
    (boxes,) = decode(samples.card("yolov8_nms"), {"output0": output}, 1)
    assert boxes.score.tolist() == [1.0]


@pytest.mark.parametrize("label", [3.0, -1.0, 0.5, 1e30])
def test_a_label_that_the_card_does_not_have_is_an_error(label: float) -> None:
    """A label beyond the card's, or between two, says that the card is another network's."""
    output = np.array([[[1, 1, 9, 9, 0.9, label]]], dtype=np.float32)
    with pytest.raises(ModelError, match="sample: wanted labels of 0 to 2, got"):
        decode(samples.card("yolov8_nms"), {"output0": output}, 1)
