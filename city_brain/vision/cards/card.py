"""A model card: what a network wants to see, how its answer is laid out, and what its labels are to us.

A card is `models/<name>/card.toml`, read strictly. Whatever is misspelt, missing, of the wrong kind or out of range is
a ModelError that names the place, what was wanted, what was found and the nearest word.
"""

import math
import tomllib
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from city_brain.errors import ModelError
from city_brain.observations.vocabulary import ObjectClass
from city_brain.wording.nearest import nearest, told
from city_brain.wording.strictly import faults

CLASS_WORDS: Final = tuple(word.name.lower() for word in ObjectClass)
"""What `classes` of a card may lead to."""
MOST_CARD_BYTES: Final = 65_536
"""A card with a thousand labels takes a third of it."""
MOST_LABELS: Final = 1000
LEAST_SIDE: Final = 32
MOST_SIDE: Final = 4096
"""Of the input, in pixels."""

Side = Annotated[int, msgspec.Meta(ge=LEAST_SIDE, le=MOST_SIDE)]
Colours = tuple[float, float, float]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e6)]


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The picture that the network takes: NCHW, float32, one of these per frame."""

    width: Side
    height: Side
    """In pixels."""
    colour: Literal["bgr", "rgb"]
    scale: Positive = 1.0
    """Pixel values, 0 to 255, are multiplied by it."""
    mean: Colours = (0.0, 0.0, 0.0)
    std: Colours = (1.0, 1.0, 1.0)
    """After scaling: (x - mean) / std, in the order of `colour`."""
    pad: Annotated[int, msgspec.Meta(ge=0, le=255)] = 114
    """Value of the pixels that the frame does not reach."""
    resize: Literal["letterbox", "stretch"] = "letterbox"
    anchor: Literal["top_left", "centre"] = "centre"
    """Where the frame lies in the padded input."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which score on a box is a detection, and which boxes are one."""

    confidence: Share = 0.25
    iou: Share = 0.45
    """Of two boxes of a class that overlap more, the better one stays (non-maximum suppression)."""
    most: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 300
    """Detections per frame."""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be known of a network before it runs."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$")]
    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.onnx$")]
    """The weights, in the folder of the card or in that of fetched models."""
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    origin: str
    """An https address from which the weights can be had; empty: they come with the card."""
    licence: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+ ()-]{0,99}$")]
    """Of the weights, as SPDX writes it."""
    layout: Literal["yolox", "yolov8", "yolov8_nms", "detr", "nanodet"]
    input: InputSpec
    labels: tuple[str, ...]
    """Of the network, in its order."""
    classes: dict[str, str]
    """Label to our class; labels that are not named are left out."""
    blur: tuple[str, ...] = ()
    """Labels, such as faces and licence plates: told of nowhere, and unknowable in every picture that is written."""
    thresholds: Thresholds = Thresholds()
    strides: tuple[Annotated[int, msgspec.Meta(ge=1, le=256)], ...] = (8, 16, 32)
    """Pixels between cells of each grid, for yolox and nanodet."""


def read_card(data: bytes, place: str) -> ModelCard:
    """Reads one card; `place` is its file, for messages. Raises ModelError."""
    if len(data) > MOST_CARD_BYTES:
        raise ModelError(f"{place}: wanted a card of at most {MOST_CARD_BYTES} bytes, got more")
    try:
        plain = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise ModelError(f"{place}: wanted TOML, got {wrong}") from wrong
    if found := faults(plain, ModelCard):
        raise ModelError(told([fault.by_path(place) for fault in found]))
    card = msgspec.convert(plain, ModelCard)
    _refuse_not_finite(plain, "", place)
    _check_origin(card, place)
    _check_labels(card, place)
    if any(not value > 0.0 for value in card.input.std):
        raise ModelError(f"{place}: input.std: wanted numbers above 0, got {list(card.input.std)}")
    if not card.strides or len(card.strides) > 8 or list(card.strides) != sorted(set(card.strides)):
        raise ModelError(f"{place}: strides: wanted one to eight, the smallest first, got {list(card.strides)}")
    return card


def _check_origin(card: ModelCard, place: str) -> None:
    try:
        address = urlsplit(card.origin)
        fits = address.scheme == "https" and bool(address.hostname) and not address.username and not address.password
        plain = card.origin.isascii() and card.origin.isprintable() and " " not in card.origin
        fits = fits and plain and (address.port or 443) > 0
    except ValueError:
        fits = False
    if card.origin and not fits:
        raise ModelError(f"{place}: origin: wanted an https address or an empty word, got {card.origin!r}")


def _check_labels(card: ModelCard, place: str) -> None:
    labels = card.labels
    if not 0 < len(labels) <= MOST_LABELS:
        raise ModelError(f"{place}: labels: wanted 1 to {MOST_LABELS}, got {len(labels)}")
    for label in labels:
        if not label.strip() or not label.isprintable() or labels.count(label) > 1:
            raise ModelError(f"{place}: labels: wanted printable words, each once, got {label!r}")
    if not card.classes:
        raise ModelError(f"{place}: classes: wanted at least one label with its class, got none")
    for label in card.blur:
        if label not in labels or card.blur.count(label) > 1:
            hint = nearest(label, labels) if label not in labels else ""
            raise ModelError(f"{place}: blur: wanted labels of this card, each once, got {label!r}{hint}")
        if label in card.classes:
            raise ModelError(f"{place}: blur: wanted labels without a class, got {label!r}, which is told of as one")
    for label, word in card.classes.items():
        if label not in labels:
            raise ModelError(f"{place}: classes: wanted labels of this card, got {label!r}{nearest(label, labels)}")
        if word not in CLASS_WORDS:
            wanted = ", ".join(CLASS_WORDS)
            hint = nearest(word, CLASS_WORDS)
            raise ModelError(f"{place}: classes.{label}: wanted one of {wanted}, got {word!r}{hint}")


def _refuse_not_finite(value: Any, path: str, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ModelError(f"{place}: {path}: wanted a finite number, got {value}")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_not_finite(item, f"{path}.{key}" if path else key, place)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            _refuse_not_finite(item, f"{path}[{at}]", place)
