"""Frames go through a network and come out as boxes: those of a real street, and those of tiny networks."""

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from city_brain.errors import ModelError, ObservationError, SettingsError
from city_brain.vision.cards.card import InputSpec, ModelCard, Thresholds
from city_brain.vision.cards.fitting import MOST_FRAMES
from city_brain.vision.detections import Boxes
from city_brain.vision.detector import Detector
from city_brain.vision.letterbox import Frame
from tests.vision import samples

CARS = {0: 10, 100: 8, 200: 9, 300: 8, 400: 8, 500: 6, 600: 4, 700: 2, 800: 1, 900: 1}
"""Cars that are found in some frames of the junction, of a score of at least 0.25."""
CARS_ABOVE = [10, 8, 8, 7, 7, 6, 4, 2, 1, 1]
"""The same in frames without their lowest 32 lines."""
Found = tuple[str, float, tuple[float, float, float, float]]


@pytest.fixture(scope="module")
def weights(shared: Path) -> bytes:
    """YOLOX-nano, trained on COCO."""
    return (shared / "data/onnx-detector/yolox_nano.onnx").read_bytes()


@pytest.fixture(scope="module")
def street(shared: Path) -> dict[int, Frame]:
    """Some frames of a junction, by their number."""
    video = cv2.VideoCapture(str(shared / "data/traffic-video/suburban_junction.mp4"))
    frames = {}
    for number in range(max(CARS) + 1):
        read, frame = video.read()
        assert read
        if number in CARS:
            frames[number] = frame
    return frames


@pytest.fixture(scope="module")
def detector(weights: bytes) -> Detector:
    """The network with its card, on one thread."""
    return Detector(samples.yolox_nano(), weights)


def named(boxes: Boxes, labels: Sequence[str] = samples.COCO) -> list[Found]:
    """Boxes with the names of their labels."""
    return [
        (labels[label], score, tuple(box))
        for label, score, box in zip(boxes.label.tolist(), boxes.score.tolist(), boxes.box.tolist(), strict=True)
    ]


def test_cars_of_the_junction_are_found(detector: Detector, street: dict[int, Frame]) -> None:
    """In each frame as many cars as were counted once, all within the frame, surest first."""
    cars = {}
    for number, frame in street.items():
        (boxes,) = detector.detect([frame])
        cars[number] = sum(label == "car" for label, _, _ in named(boxes))
        assert (boxes.box >= 0.0).all() and (boxes.box <= [640.0, 352.0, 640.0, 352.0]).all()
        assert (np.diff(boxes.score) <= 0.0).all()
    assert cars == CARS


def test_an_independent_reading_finds_the_same(detector: Detector, weights: bytes, street: dict[int, Frame]) -> None:
    """The steps of the demo in the repository of YOLOX, written out, find the same boxes of the same score.

    In frames without their lowest 32 lines: there the demo, which cuts the resized height off to whole pixels, and we,
    who round it, make the same picture of them.
    """
    session, cars = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"]), []
    for frame in street.values():
        ours, theirs = named(detector.detect([frame[:320]])[0]), _demo(session, frame[:320])
        assert [label for label, _, _ in ours] == [label for label, _, _ in theirs]
        for (_, score, box), (_, score_of_demo, box_of_demo) in zip(ours, theirs, strict=True):
            assert score == pytest.approx(score_of_demo, abs=1e-4)
            clipped = [min(max(0.0, at), most) for at, most in zip(box_of_demo, (640, 320) * 2, strict=True)]
            assert box == pytest.approx(clipped, abs=0.05)
        cars.append(sum(label == "car" for label, _, _ in theirs))
    assert cars == CARS_ABOVE


def _demo(session: onnxruntime.InferenceSession, frame: Frame) -> list[Found]:
    """`demo/ONNXRuntime/onnx_inference.py` of Megvii-BaseDetection/YOLOX, written out; suppression by class."""
    ratio = min(416 / frame.shape[0], 416 / frame.shape[1])
    small = cv2.resize(frame, (int(frame.shape[1] * ratio), int(frame.shape[0] * ratio)))
    padded = np.full((416, 416, 3), 114, dtype=np.uint8)
    padded[: small.shape[0], : small.shape[1]] = small
    rows = session.run(None, {"images": padded.transpose(2, 0, 1)[None].astype(np.float32)})[0][0].tolist()
    cells = [(x, y, s) for s in (8, 16, 32) for y in range(416 // s) for x in range(416 // s)]
    found: list[Found] = []
    for (x, y, stride), row in zip(cells, rows, strict=True):
        label = max(range(80), key=lambda k: row[5 + k])
        if row[4] * row[5 + label] > 0.25 and samples.COCO[label] in samples.OURS:
            cx, cy = (row[0] + x) * stride / ratio, (row[1] + y) * stride / ratio
            w, h = math.exp(row[2]) * stride / ratio, math.exp(row[3]) * stride / ratio
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
            found.append((samples.COCO[label], row[4] * row[5 + label], box))
    stay: list[Found] = []
    for one in sorted(found, key=lambda one: -one[1]):
        if not any(one[0] == other[0] and _iou(one[2], other[2]) > 0.45 for other in stay):
            stay.append(one)
    return stay


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def test_no_more_frames_are_given_at_once_than_the_check_allows() -> None:
    """Eight frames by threes: the same boxes, and room for three."""
    some = Detector(tiny(), samples.brightest(), most=3)
    found = some.detect([painted(blue, 10, 204) for blue in range(1, 9)])
    assert [boxes.box.tolist() for boxes in found] == [[[0.0, 0.0, float(blue), 10.0]] for blue in range(1, 9)]
    room = some.prepare([painted(1, 2, 3)])[0].base
    assert room is not None and len(room) == 3


def test_a_batch_finds_what_each_frame_alone_does(weights: bytes, street: dict[int, Frame], detector: Detector) -> None:
    """With its batch made open, the network takes frames of many cameras at once, of any size, and more than fit."""
    model = onnx.load_from_string(weights)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    together = Detector(samples.yolox_nano(), model.SerializeToString())
    frames = [*street.values(), cv2.resize(street[0], (1280, 720)), street[100][:, :300].copy()]
    frames += frames[: MOST_FRAMES + 2 - len(frames)]
    found = together.detect(frames)
    assert len(found) == len(frames) == MOST_FRAMES + 2
    for one, frame in zip(found, frames, strict=True):
        (alone,) = detector.detect([frame])
        assert one.n == alone.n > 0
        assert one.label.tolist() == alone.label.tolist()
        assert one.score == pytest.approx(alone.score, abs=1e-4)
        assert one.box == pytest.approx(alone.box, abs=0.05)


def test_the_same_frame_gives_the_same_boxes(weights: bytes, street: dict[int, Frame], detector: Detector) -> None:
    """Bit for bit, whatever was seen before, and in another session."""
    (first,) = detector.detect([street[0]])
    detector.detect([street[500]])
    for again in (detector.detect([street[0]])[0], Detector(samples.yolox_nano(), weights).detect([street[0]])[0]):
        assert again.box.tobytes() == first.box.tobytes()
        assert again.score.tobytes() == first.score.tobytes()
        assert again.label.tobytes() == first.label.tobytes()


def test_labels_without_a_class_are_left_out(weights: bytes, street: dict[int, Frame]) -> None:
    """A card that names no class for cars sees none."""
    (boxes,) = Detector(samples.yolox_nano(classes={"truck": "truck"}), weights).detect([street[0]])
    assert {label for label, _, _ in named(boxes)} == {"truck"}


def test_labels_of_one_class_are_one_thing(weights: bytes, street: dict[int, Frame]) -> None:
    """What is seen as a car and as a truck in one place is one vehicle where the card calls both so."""
    card = samples.yolox_nano(thresholds=Thresholds(confidence=0.1))
    apart = Detector(card, weights).detect([street[0]])[0]
    one = Detector(samples.yolox_nano(thresholds=card.thresholds, classes={"car": "car", "truck": "car"}), weights)
    boxes = one.detect([street[0]])[0].box.tolist()
    assert any(_iou(a, b) > 0.45 for a in apart.box.tolist() for b in apart.box.tolist() if a != b)
    assert not any(_iou(a, b) > 0.45 for a in boxes for b in boxes if a != b)


def painted(blue: int, green: int, red: int, side: int = 32) -> Frame:
    """A frame of one colour."""
    return np.full((side, side, 3), (blue, green, red), dtype=np.uint8)


def tiny(**changed: object) -> ModelCard:
    """The card of a tiny network of 32 x 32."""
    return samples.card("yolov8_nms", **({"width": 32, "height": 32} | changed))


@pytest.mark.parametrize("batch", ["batch", 1, 3])
def test_each_frame_gets_its_own_boxes(batch: int | str) -> None:
    """In whatever number a network takes frames, the answers come in the order of the frames."""
    frames = [painted(blue, 10, 204) for blue in range(1, 21)]
    found = Detector(tiny(), samples.brightest(batch)).detect(frames)
    assert [boxes.box.tolist() for boxes in found] == [[[0.0, 0.0, float(blue), 10.0]] for blue in range(1, 21)]
    assert all(boxes.score.tolist() == [pytest.approx(0.8)] for boxes in found)


def test_a_fixed_batch_is_filled_up_with_zeros() -> None:
    """No camera's old frame goes through the network again in the place of one that did not come."""
    detector = Detector(tiny(), samples.brightest(3))
    detector.detect([painted(9, 9, 250)] * 3)
    planes, places = detector.prepare([painted(1, 2, 3)])
    assert len(places) == 1
    assert planes.shape == (3, 3, 32, 32)
    assert (planes[0, 0] == 1.0).all() and (planes[1:] == 0.0).all()


@pytest.mark.parametrize("batch", ["batch", 3])
def test_padding_is_right_whatever_came_before(batch: int | str) -> None:
    """Frames of other sizes, fewer of them, and one that is refused: the input is what a new detector makes of it."""
    detector, chance = Detector(tiny(), samples.brightest(batch)), np.random.default_rng(1)
    for sizes in (
        [(32, 16)] * 3,
        [(32, 16)] * 3,
        [(16, 32), (32, 16)],
        [(32, 16)] * 3,
        [(8, 8), (0, 9)],
        [(32, 16)] * 2,
    ):
        frames = [chance.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
        if (0, 9) in sizes:
            with pytest.raises(ObservationError):
                detector.prepare(frames)
            continue
        planes, places = detector.prepare(frames)
        wanted, wanted_places = Detector(tiny(), samples.brightest(batch)).prepare(frames)
        assert places == wanted_places
        assert planes.tobytes() == wanted.tobytes()


def test_labels_to_blur_are_boxes_apart() -> None:
    """What the card wants blurred is told of as no thing, suppresses none, and comes as a box to hide."""
    shown = [painted(20, 10, 204), painted(5, 30, 204)]
    card = samples.card("yolov8_nms", ("face", "car"), width=32, height=32, classes={"car": "car"}, blur=("face",))
    for boxes, wanted in zip(Detector(card, samples.brightest()).detect(shown), ([20, 10], [5, 30]), strict=True):
        assert boxes.n == 0
        assert boxes.hidden.tolist() == [[0.0, 0.0, *wanted]]
    silent = samples.card("yolov8_nms", ("face", "car"), width=32, height=32, classes={"car": "car"})
    assert [boxes.hidden.shape for boxes in Detector(silent, samples.brightest()).detect(shown)] == [(0, 4)] * 2


def test_no_frames_have_no_boxes() -> None:
    """Nothing is asked of the network, and frames without a box have empty columns."""
    detector = Detector(tiny(), samples.brightest())
    assert detector.detect([]) == []
    (dark,) = detector.detect([painted(5, 5, 0)])
    assert dark.n == 0 and dark.box.shape == (0, 4)


def test_boxes_outside_the_frame_are_none() -> None:
    """What a network sees in the padding is nowhere in the street."""
    frame = np.full((2, 32, 3), (9, 9, 250), dtype=np.uint8)
    spec = InputSpec(width=32, height=32, colour="bgr", pad=0)
    (boxes,) = Detector(tiny(input=spec), samples.brightest()).detect([frame])
    assert boxes.n == 0


def test_no_more_boxes_than_the_card_wants() -> None:
    """Layouts without suppression are bounded too."""
    card = tiny(thresholds=Thresholds(most=0))
    assert [boxes.n for boxes in Detector(card, samples.brightest()).detect([painted(9, 9, 255)])] == [0]


def test_a_network_that_asks_for_sizes_is_told_its_input() -> None:
    """RT-DETR as exported with its last step gives boxes in a size that it is told: then they are of the input."""
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["size", "size"], ["zero"]),
        helper.make_node("Concat", ["zero", "size"], ["corners"], axis=1),
        helper.make_node("Unsqueeze", ["corners"], ["boxes"], axes=[1]),
        helper.make_node("ReduceMax", ["images"], ["most"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["most"], ["column"], axes=[1]),
        helper.make_node("Div", ["column", "all"], ["scores"]),
        helper.make_node("Sub", ["scores", "scores"], ["none"]),
        helper.make_node("Cast", ["none"], ["labels"], to=TensorProto.INT64),
    ]
    weights = samples.network(
        nodes,
        {"images": ["batch", 3, 32, 64], "orig_target_sizes": ["batch", 2]},
        {"labels": ["batch", 1], "boxes": ["batch", 1, 4], "scores": ["batch", 1]},
        {"all": [255.0]},
        {"orig_target_sizes": TensorProto.INT64, "labels": TensorProto.INT64},
    )
    frames = [np.full((100, 200, 3), 204, dtype=np.uint8), np.full((32, 64, 3), 255, dtype=np.uint8)]
    found = Detector(samples.card("detr", width=64, height=32), weights).detect(frames)
    assert [named(boxes, ("car",)) for boxes in found] == [
        [("car", pytest.approx(0.8), (0.0, 0.0, 200.0, 100.0))],
        [("car", 1.0, (0.0, 0.0, 64.0, 32.0))],
    ]


@pytest.mark.parametrize("weights", [b"", b"no network"])
def test_what_is_no_network_is_refused(weights: bytes) -> None:
    """Whatever the runtime says of a file is said as an error of ours."""
    with pytest.raises(ModelError, match="sample: wanted a network that loads, got "):
        Detector(tiny(), weights)


def test_a_network_of_another_size_is_refused() -> None:
    """An input that is not the card's is known before a frame comes."""
    with pytest.raises(
        ModelError, match=r"wanted one input \(batch, 3, 64, 32\) of floats, got images \['batch', 3, 32"
    ):
        Detector(tiny(height=64), samples.brightest())


def test_a_network_of_another_kind_of_input_is_refused() -> None:
    """Neither bytes instead of floats nor a second unknown input can be fed."""
    floats = helper.make_node("Cast", ["images"], ["output0"], to=TensorProto.FLOAT)
    shape: list[int | str] = [1, 3, 32, 32]
    of_bytes = samples.network([floats], {"images": shape}, {"output0": shape}, {}, {"images": TensorProto.UINT8})
    with pytest.raises(ModelError, match=r"of floats, got images \[1, 3, 32, 32\] of tensor\(uint8\)"):
        Detector(tiny(), of_bytes)
    both = helper.make_node("Add", ["images", "more"], ["output0"])
    two = samples.network([both], {"images": shape, "more": shape}, {"output0": shape}, {})
    with pytest.raises(ModelError, match=r"wanted one input .* got images .*, more "):
        Detector(tiny(), two)


def test_a_run_that_fails_is_an_error_of_the_model() -> None:
    """A network that breaks on its input says so as a ModelError, in one line."""
    reshape = helper.make_node("Reshape", ["images", "shape"], ["output0"])
    weights = samples.network(
        [reshape], {"images": ["batch", 3, 32, 32]}, {"output0": [1, "n", 7]}, {"shape": [1, -1, 7]}, {"shape": 7}
    )
    detector = Detector(tiny(), weights)
    with pytest.raises(ModelError, match="sample: wanted a run of the network, got ") as told:
        detector.detect([painted(1, 2, 3)])
    assert "\n" not in str(told.value)


def test_a_provider_that_is_not_there_is_a_wrong_setting() -> None:
    """The runtime would silently take another one."""
    with pytest.raises(SettingsError, match=r"providers: wanted one of .*CPUExecutionProvider.*, got 'Abacus'"):
        Detector(tiny(), samples.brightest(), providers=("Abacus",))


def test_threads_are_counted_from_one() -> None:
    """None would mean all there are, to the runtime and to OpenCV."""
    with pytest.raises(SettingsError, match="threads: wanted at least 1, got 0"):
        Detector(tiny(), samples.brightest(), threads=0)
    Detector(tiny(), samples.brightest(), threads=1)
    assert cv2.getNumThreads() == 1


def test_a_frame_without_pixels_is_refused() -> None:
    """A camera that gives nothing is not one that sees nothing."""
    with pytest.raises(ObservationError, match="frame: wanted"):
        Detector(tiny(), samples.brightest()).detect([np.empty((0, 32, 3), dtype=np.uint8)])


def test_reading_the_module_loads_neither_runtime_nor_opencv() -> None:
    """Who installs city-brain without the extra `vision` can import all of it."""
    code = "import sys, city_brain.vision.detector; print({'cv2', 'onnx', 'onnxruntime'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
