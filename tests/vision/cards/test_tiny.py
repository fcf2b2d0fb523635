"""The tiny network is what its script builds, and finds rectangles in frames, exactly, through its card."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.vision.cards.checking import check_weights
from city_brain.vision.cards.registry import Registry
from city_brain.vision.cards.sessions import open_session
from models.tiny.build import COLOURS, HEIGHT, STRIDE, TOLERANCE, WIDTH, build
from tests.house import ROOT

ENTRY = Registry.of().entry("tiny")
SESSION = open_session(ENTRY.weights.read_bytes(), "tiny")
Box = tuple[str, int, int, int, int]


def _frame(*boxes: Box, road: tuple[int, int, int] = (90, 92, 95)) -> np.ndarray:
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = road
    for label, x0, y0, x1, y1 in boxes:
        frame[y0:y1, x0:x1] = COLOURS[label]
    return frame


def _seen(*frames: np.ndarray) -> list[set[Box]]:
    """What is seen in each frame: every cell's box, of which those of one rectangle are the same."""
    (answer,) = SESSION.run(None, {"picture": np.stack(frames).transpose(0, 3, 1, 2).astype(np.float32)})
    cell = np.arange(answer.shape[1])
    grid = np.stack([cell % (WIDTH // STRIDE), cell // (WIDTH // STRIDE)], axis=1)
    found = []
    for cells in answer:
        score = cells[:, 4:5] * cells[:, 5:]
        middle, size = (cells[:, :2] + grid) * STRIDE, np.exp(cells[:, 2:4]) * STRIDE
        boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
        seen = score.max(axis=1) >= ENTRY.card.thresholds.confidence
        labels = np.array(ENTRY.card.labels)[score.argmax(axis=1)]
        assert np.abs(boxes[seen] - boxes[seen].round()).max(initial=0.0) < 1e-3
        found.append(
            {
                (str(label), *box.round().astype(int).tolist())
                for label, box in zip(labels[seen], boxes[seen], strict=True)
            }
        )
    return found


def test_the_script_builds_what_is_committed() -> None:
    """Byte for byte, at most 50 kB, with the hash on the card."""
    data = build().SerializeToString(deterministic=True)
    assert data == ENTRY.weights.read_bytes()
    assert len(data) <= 50_000
    assert check_weights(ENTRY.weights, ENTRY.card).data == data


def test_labels_are_those_of_the_card() -> None:
    """In the same order, with the colours of the README beside, none within twice the tolerance of another."""
    assert tuple(COLOURS) == ENTRY.card.labels
    table = Path(ROOT / "models" / "tiny" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {label} | {', '.join(map(str, colour))} |" in table for label, colour in COLOURS.items())
    colours = np.array(list(COLOURS.values()))
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 1000 * np.eye(len(colours))
    assert apart.min() > 2 * TOLERANCE


def test_every_label_is_found() -> None:
    """Six rectangles, at the rim too, each exactly where it is."""
    boxes = {
        ("car", 20, 30, 60, 50),
        ("truck", 100, 30, 220, 90),
        ("bus", 0, 150, 77, 192),
        ("motorcycle", 240, 0, 252, 20),
        ("bicycle", 150, 120, 166, 141),
        ("person", 312, 100, 320, 130),
    }
    assert _seen(_frame(*boxes)) == [boxes]


def test_frames_of_a_batch_are_apart() -> None:
    """What is in one frame is not seen in another."""
    one, other = ("car", 8, 8, 40, 40), ("person", 100, 100, 120, 140)
    assert _seen(_frame(one), _frame(), _frame(other, one)) == [{one}, set(), {one, other}]


@pytest.mark.parametrize("road", [(0, 0, 0), (114, 114, 114), (128, 120, 110), (255, 255, 255)])
def test_an_empty_road_is_empty(road: tuple[int, int, int]) -> None:
    """Black, grey, earth and white are none of the colours."""
    assert _seen(_frame(road=road)) == [set()]


def test_two_of_a_colour_in_one_row_are_two() -> None:
    """One pixel of road between them is enough."""
    boxes = {("car", 16, 40, 56, 60), ("car", 57, 40, 97, 60), ("car", 16, 61, 97, 80)}
    assert _seen(_frame(*boxes)) == [boxes]


def test_paler_colours_score_less() -> None:
    """A colour that is off by half the tolerance is found; by more than all of it, it is road."""
    frame = _frame()
    red, green, blue = COLOURS["car"]
    frame[40:80, 40:80] = (red - int(TOLERANCE / 2), green, blue)
    frame[40:80, 120:160] = (red - int(TOLERANCE) - 1, green, blue)
    assert _seen(frame) == [{("car", 40, 40, 80, 80)}]


@settings(max_examples=40)
@given(st.data())
def test_any_rectangle_is_found_exactly(data: st.DataObject) -> None:
    """From eight pixels on, wherever it lies."""
    x0, y0 = data.draw(st.integers(0, WIDTH - 8)), data.draw(st.integers(0, HEIGHT - 8))
    x1, y1 = data.draw(st.integers(x0 + 8, WIDTH)), data.draw(st.integers(y0 + 8, HEIGHT))
    box = (data.draw(st.sampled_from(list(COLOURS))), x0, y0, x1, y1)
    assert _seen(_frame(box)) == [{box}]
