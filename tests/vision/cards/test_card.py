"""Cards are read strictly: a mistake is refused with its place, what was wanted, what was found, the nearest word."""

import pytest

from city_brain.errors import ModelError
from city_brain.observations.vocabulary import ObjectClass
from city_brain.vision.cards.card import CLASS_WORDS, InputSpec, Thresholds, read_card
from tests.house import ROOT, files

TEXT = """
name = "street"
file = "street.onnx"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
origin = "https://models.example/street.onnx"
licence = "Apache-2.0"
layout = "yolov8"
labels = ["person", "car", "traffic light"]

[input]
width = 640
height = 384
colour = "rgb"

[classes]
person = "person"
car = "car"
"""


def test_a_card_says_what_it_leaves_out() -> None:
    """Only what differs from the usual must be written down."""
    card = read_card(TEXT.encode(), "card.toml")
    assert card.input == InputSpec(width=640, height=384, colour="rgb")
    assert (card.input.scale, card.input.mean, card.input.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert (card.input.pad, card.input.resize, card.input.anchor) == (114, "letterbox", "centre")
    assert card.thresholds == Thresholds(confidence=0.25, iou=0.45, most=300)
    assert card.strides == (8, 16, 32)
    assert card.classes == {"person": "person", "car": "car"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"yolov8"', '"yolov7"', "layout: wanted one of detr, nanodet, yolov8, yolov8_nms, yolox, got 'yolov7'; near"),
        ("licence =", "license =", "license: wanted one of name, file, sha256, origin, licence"),
        ("licence =", "license =", "got 'license'; nearest: 'licence'"),
        ("colour =", "color =", "input.color: wanted one of width, height, colour"),
        ("colour =", "color =", "nearest: 'colour'"),
        ('"rgb"', '"bgrr"', "input.colour: wanted one of bgr, rgb, got 'bgrr'; nearest: 'bgr'"),
        ("width = 640", "", "input.width: wanted a value, got none"),
        ("width = 640", "width = 31", "input.width: wanted int >= 32, got 31"),
        ("width = 640", "width = 4097", "input.width: wanted int <= 4096, got 4097"),
        ("width = 640", "width = 640.5", "input.width: wanted int, got 640.5"),
        ("width = 640", "width = 640\nscale = nan", "input.scale: wanted"),
        ("width = 640", "width = 640\nscale = 0.0", "input.scale: wanted float > 0.0, got 0.0"),
        ("width = 640", "width = 640\nmean = [1.0, 2.0]", "input.mean: wanted array of length 3"),
        ("width = 640", "width = 640\nmean = [1.0, inf, 1.0]", "input.mean[1]: wanted a finite number, got inf"),
        ("width = 640", "width = 640\nstd = [1.0, 0.0, 1.0]", "input.std: wanted numbers above 0, got [1.0, 0.0, 1.0]"),
        ("width = 640", "width = 640\npad = 256", "input.pad: wanted int <= 255, got 256"),
        ("width = 640", 'width = 640\nresize = "strech"', "got 'strech'; nearest: 'stretch'"),
        ("width = 640", 'width = 640\nanchor = "center"', "got 'center'; nearest: 'centre'"),
        ("[classes]", "[thresholds]\nconfidence = 1.5\n[classes]", "confidence: wanted float <= 1.0, got 1.5"),
        ("[classes]", "[thresholds]\nscore = 0.5\n[classes]", "thresholds.score: wanted one of confidence, iou, most"),
        ('car = "car"', 'cat = "car"', "classes: wanted labels of this card, got 'cat'; nearest: 'car'"),
        ('car = "car"', 'car = "cars"', "classes.car: wanted one of other, car, truck"),
        ('car = "car"', 'car = "cars"', "got 'cars'; nearest: 'car'"),
        ('car = "car"', "car = 1", "classes.car: wanted str, got 1"),
        ('person = "person"\ncar = "car"', "", "classes: wanted at least one label with its class, got none"),
        ('"car", ', '"person", ', "labels: wanted printable words, each once, got 'person'"),
        ('"car", ', '"car\\u001b", ', "labels: wanted printable words, each once, got 'car\\x1b'"),
        ('["person", "car", "traffic light"]', "[]", "labels: wanted 1 to 1000, got 0"),
        ("labels =", "strides = []\nlabels =", "strides: wanted one to eight, the smallest first, got []"),
        ("labels =", "strides = [16, 8]\nlabels =", "strides: wanted one to eight, the smallest first, got [16, 8]"),
        ("labels =", "strides = [0]\nlabels =", "strides[0]: wanted int >= 1, got 0"),
        ('"street.onnx"', '"../street.onnx"', "file: wanted str matching regex"),
        ('"street.onnx"', '"street.pt"', "file: wanted str matching regex"),
        ('name = "street"', 'name = "Street View"', "name: wanted str matching regex"),
        ("0123456789abcdef0", "0123456789ABCDEF0", "sha256: wanted str matching regex"),
        ("abcdef\"", "abcde\"", "sha256: wanted str matching regex"),
        ("https://models", "http://models", "origin: wanted an https address or an empty word, got 'http://models"),
        ("https://models", "https://me:secret@models", "origin: wanted an https address"),
        ("https://models.example/street.onnx", "https:///street.onnx", "origin: wanted an https address"),
        ("https://models.example/", "https://models.example:99999/", "origin: wanted an https address"),
        ("https://models.example/street", "https://models.example/a b", "origin: wanted an https address"),
        ("https://models.example/street", "https://models.example/\\u0007", "origin: wanted an https address"),
        ("labels =", 'blur = ["trafic light"]\nlabels =', "blur: wanted labels of this card, each once, got 'trafic"),
        ("labels =", 'blur = ["traffic light", "traffic light"]\nlabels =', "each once, got 'traffic light'"),
        ("labels =", 'blur = ["car"]\nlabels =', "blur: wanted labels without a class, got 'car', which"),
        ("[input]", "[input", "wanted TOML, got"),
        ('licence = "Apache-2.0"', 'licence = "Apache-2.0"\nlicence = "MIT"', "wanted TOML, got"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    """The message leads to the line that is wrong, and to the word that was meant."""
    assert old in TEXT
    with pytest.raises(ModelError) as wrong:
        read_card(TEXT.replace(old, new, 1).encode(), "cards/card.toml")
    assert str(wrong.value).startswith("cards/card.toml: ")
    assert said in str(wrong.value)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"a = " + b"[" * 30_000, b"# \n" * 40_000, b"name = 1"])
def test_what_is_no_card_is_refused(data: bytes) -> None:
    """Nothing, no text, brackets without end, and more than a card has: each is refused, and quickly."""
    with pytest.raises(ModelError, match=r"^x: .*wanted"):
        read_card(data, "x")


def test_class_words_are_those_of_observations() -> None:
    """A card speaks of classes as the JSON of observations does."""
    assert [ObjectClass[word.upper()] for word in CLASS_WORDS] == list(ObjectClass)


@pytest.mark.parametrize("name", [name for name in files() if name.startswith("models/") and name.endswith(".toml")])
def test_our_cards_can_be_read(name: str) -> None:
    """Each names its folder, and leaves no label of a road user out."""
    card = read_card((ROOT / name).read_bytes(), name)
    assert name == f"models/{card.name}/card.toml"
    users = {"person", "bicycle", "car", "motorcycle", "bus", "truck"}
    assert users <= set(card.labels) & set(card.classes)


def test_the_card_that_is_shown_can_be_read() -> None:
    """The example of models/README.md is a card, but for the hash and the address that it leaves out."""
    text = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    text = text.split("## A model of your own")[1].split("```toml\n")[1].split("```")[0]
    text = text.replace('"…"', f'"{"0" * 64}"').replace('"https://…"', '"https://models.example/street.onnx"')
    card = read_card(text.encode(), "README.md")
    usual = InputSpec(width=640, height=640, colour="rgb", scale=1 / 255)
    assert (card.input, card.thresholds, card.strides) == (usual, Thresholds(), (8, 16, 32))
