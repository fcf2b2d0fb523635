"""A frame comes into the input where its placement says, and boxes come back to where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import ObservationError
from city_brain.types import Floats
from city_brain.vision.cards.card import InputSpec
from city_brain.vision.letterbox import Placement, Planes, fill, place

SIDES = st.integers(1, 4000)
INPUT_SIDES = st.integers(32, 4096)
SHARE = st.floats(0.0, 1.0)


@st.composite
def specs(draw: st.DrawFn, sides: st.SearchStrategy[int] = INPUT_SIDES) -> InputSpec:
    """Inputs of any size, either way to resize, either anchor."""
    return InputSpec(
        width=draw(sides),
        height=draw(sides),
        colour=draw(st.sampled_from(["bgr", "rgb"])),
        resize=draw(st.sampled_from(["letterbox", "stretch"])),
        anchor=draw(st.sampled_from(["top_left", "centre"])),
    )


@given(specs(), SIDES, SIDES, st.lists(st.tuples(SHARE, SHARE, SHARE, SHARE), max_size=5))
def test_boxes_go_there_and_back(spec: InputSpec, width: int, height: int, shares: list[tuple[float, ...]]) -> None:
    """A box of the frame comes back from the input to within a millionth of the frame's sides."""
    sides = np.array([width, height, width, height], dtype=np.float64)
    box = np.array(shares).reshape(-1, 4) * sides
    at = place(spec, width, height)
    assert at.to_frame(at.to_input(box)).shape == box.shape
    assert (np.abs(at.to_frame(at.to_input(box)) - box) <= 1e-6 * sides).all()


@given(specs(), SIDES, SIDES)
def test_the_picture_lies_in_the_input(spec: InputSpec, width: int, height: int) -> None:
    """The picture touches the input on one axis, keeps its proportions to half a pixel, and has at least one pixel."""
    at = place(spec, width, height)
    assert at.left >= 0 and at.left + at.width <= spec.width
    assert at.top >= 0 and at.top + at.height <= spec.height
    assert at.width >= 1 and at.height >= 1
    if spec.resize == "stretch":
        assert (at.width, at.height) == (spec.width, spec.height)
    else:
        ratio = min(spec.width / width, spec.height / height)
        assert at.width == spec.width or at.height == spec.height
        assert abs(at.width - max(1.0, width * ratio)) <= 0.5 + 1e-6
        assert abs(at.height - max(1.0, height * ratio)) <= 0.5 + 1e-6
    if spec.anchor == "top_left":
        assert (at.left, at.top) == (0, 0)
    else:
        assert 0 <= spec.width - at.width - 2 * at.left <= 1
        assert 0 <= spec.height - at.height - 2 * at.top <= 1


@given(specs(), SIDES, SIDES, st.tuples(*[st.floats(-1e6, 1e6)] * 4))
def test_boxes_are_clipped_to_the_frame(
    spec: InputSpec, width: int, height: int, box: tuple[float, float, float, float]
) -> None:
    """Wherever a network puts a box, it comes back within the frame."""
    x0, y0, x1, y1 = place(spec, width, height).to_frame(np.array([box]))[0]
    assert min(x0, x1) >= 0.0 and max(x0, x1) <= width
    assert min(y0, y1) >= 0.0 and max(y0, y1) <= height


@given(specs(st.integers(32, 64)), st.integers(1, 90), st.integers(1, 90))
def test_every_pixel_of_the_input_is_written(spec: InputSpec, width: int, height: int) -> None:
    """Nothing of what stood in the input before is left, and outside the picture there is padding only."""
    into = np.full((3, spec.height, spec.width), np.nan, dtype=np.float32)
    at = fill(spec, np.full((height, width, 3), 7, dtype=np.uint8), into)
    inside = np.zeros(into.shape[1:], dtype=np.bool_)
    inside[at.top : at.top + at.height, at.left : at.left + at.width] = True
    assert (into[:, inside] == 7.0).all()
    assert (into[:, ~inside] == 114.0).all()


@given(specs(st.integers(32, 64)), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90))
def test_a_frame_over_another_leaves_nothing_of_it(
    spec: InputSpec, width: int, height: int, wide: int, high: int
) -> None:
    """Also where the padding of the one before is taken over, since both lie alike."""
    into, alone = (np.full((3, spec.height, spec.width), np.nan, dtype=np.float32) for _ in range(2))
    before = fill(spec, np.full((height, width, 3), 7, dtype=np.uint8), into)
    frame = np.full((high, wide, 3), 9, dtype=np.uint8)
    assert fill(spec, frame, into, before) == fill(spec, frame, alone)
    assert into.tobytes() == alone.tobytes()
    again = np.full((high, wide, 3), 11, dtype=np.uint8)
    assert fill(spec, again, into, place(spec, wide, high)) == fill(spec, again, alone)
    assert into.tobytes() == alone.tobytes()


def test_values_are_those_of_the_card() -> None:
    """A value is (pixel x scale - mean) / deviation, in the card's order of colours; padding is treated alike."""
    spec = InputSpec(
        width=40, height=32, colour="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), pad=10
    )
    frame = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    into = np.empty((3, 32, 40), dtype=np.float32)
    assert fill(spec, frame, into) == Placement(32, 32, 4, 0, 32, 32)
    for plane in range(3):
        for y in range(32):
            for x in range(40):
                pixel = int(frame[y, x - 4, 2 - plane]) if 4 <= x < 36 else 10
                assert into[plane, y, x] == pytest.approx((pixel / 255 - spec.mean[plane]) / spec.std[plane], abs=1e-5)


@pytest.mark.parametrize("anchor", ["top_left", "centre"])
@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(640, 352), (1920, 1080), (300, 700), (97, 61)])
def test_a_painted_box_is_where_it_should_be(resize: str, anchor: str, width: int, height: int) -> None:
    """The edges of a white rectangle are found in the input, to a pixel, where the placement puts them."""
    spec = InputSpec(width=416, height=320, colour="bgr", resize=resize, anchor=anchor, pad=0)  # type: ignore[arg-type]
    box = np.array([[width // 4, height // 5, width // 2, height // 2]], dtype=np.float64)
    x0, y0, x1, y1 = box[0].astype(int)
    frame = np.zeros((height, width, 3), dtype=np.uint8)
    frame[y0:y1, x0:x1] = 255
    into: Planes = np.empty((3, 320, 416), dtype=np.float32)
    at = fill(spec, frame, into)
    for plane in into:
        assert np.abs(_edges(plane) - at.to_input(box)[0]).max() <= 1.0
        assert np.abs(at.to_frame(_edges(plane)[None]) - box).max() <= max(1.0, width / at.width, height / at.height)


def _edges(plane: Planes) -> Floats:
    """Left, top, right, bottom of what is brighter than grey."""
    rows, columns = (plane > 127).any(axis=1).nonzero()[0], (plane > 127).any(axis=0).nonzero()[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0, 3), (5, 5), (5, 5, 4), (5, 5, 1), (2, 5, 5, 3), (0,)])
def test_what_is_no_frame_is_refused(shape: tuple[int, ...]) -> None:
    """A frame without pixels, or of other than three colours, is an error that says its shape."""
    into = np.empty((3, 32, 32), dtype=np.float32)
    with pytest.raises(ObservationError, match=r"frame: wanted .*, got \("):
        fill(InputSpec(width=32, height=32, colour="bgr"), np.zeros(shape, dtype=np.uint8), into)


def test_a_frame_of_floats_is_refused() -> None:
    """Pixels are bytes: anything else was scaled by somebody, no one knows how."""
    into = np.empty((3, 32, 32), dtype=np.float32)
    with pytest.raises(ObservationError, match=r"got .* of float32"):
        fill(InputSpec(width=32, height=32, colour="bgr"), np.zeros((5, 5, 3), dtype=np.float32), into)  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 4000), (4000, 1)])
def test_boxes_without_area_stay_without(width: int, height: int) -> None:
    """In frames of one pixel's width too: a point stays a point, and no boxes stay no boxes."""
    at = place(InputSpec(width=416, height=416, colour="bgr"), width, height)
    point = np.array([[width / 2, height / 2] * 2])
    assert at.to_frame(at.to_input(point)) == pytest.approx(point)
    assert at.to_frame(np.empty((0, 4))).shape == (0, 4)
