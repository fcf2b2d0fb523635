"""The words of observations as small codes: kinds, classes, quantities with their units, lamps, reasons.

Codes are part of the wire format and of snapshots: a word keeps its number for ever, new words are added at the end.
A column is compared with `int(Kind.SIGNAL)`: with the member itself numpy takes several times as long.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Kind(IntEnum):
    """What sort of statement a row is."""

    DETECTION = 0
    SIGNAL = 1
    SENSOR = 2
    REPORT = 3


class Status(IntEnum):
    """Whether a row is about the real city; only `ACTUAL` rows join actual incidents (words of CAP 1.2)."""

    ACTUAL = 0
    EXERCISE = 1
    TEST = 2
    REPLAY = 3


class ObjectClass(IntEnum):
    """What a camera says it sees."""

    OTHER = 0
    CAR = 1
    TRUCK = 2
    BUS = 3
    MOTORCYCLE = 4
    BICYCLE = 5
    PERSON = 6
    SMOKE = 7
    FIRE = 8
    WATER = 9
    ANIMAL = 10
    DEBRIS = 11


class Mode(IntEnum):
    """How a signal controller says it is working."""

    OTHER = 0
    AUTO = 1
    MANUAL = 2
    DARK = 3
    FLASHING = 4
    ALL_RED = 5
    FAULT = 6
    PREEMPTION = 7


class Category(IntEnum):
    """What a report is about."""

    OTHER = 0
    CRASH = 1
    STOPPED_VEHICLE = 2
    WRONG_WAY = 3
    PEDESTRIAN_ON_CARRIAGEWAY = 4
    CONGESTION = 5
    RED_LIGHT_RUNNING = 6
    SIGNAL_FAULT = 7
    POLLUTION = 8
    WATERLOGGING = 9
    FIRE = 10
    CROWD = 11
    NOISE = 12
    DEBRIS = 13


class Colour(IntEnum):
    """The lamp of one movement as the engine sees it."""

    ABSENT = 0
    RED = 1
    YELLOW = 2
    GREEN = 3
    OFF = 4
    FLASHING = 5


SIDES: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
"""Arms of a junction by their compass direction from its centre; the code is the index."""

MOVEMENTS: Final = ("left", "through", "right", "uturn")
"""Movements from an arm; the code is the index. `Rows.lamps` holds the first three."""

LAMPS: Final = ("absent", "red", "yellow", "green", "off", "flashing")
LAMPS_AS_SENT: Final = (*LAMPS, "red_yellow", "flashing_red", "flashing_yellow", "flashing_green")
"""Colours as sources write them; the code is the index."""

LAMP_SEEN: Final = (0, 1, 2, 3, 4, 5, Colour.RED, Colour.FLASHING, Colour.FLASHING, Colour.GREEN)
"""`Colour` of each of `LAMPS_AS_SENT`: red-yellow still forbids; flashing green, the end of green, still allows."""


class Quantity(IntEnum):
    """What a sensor measures."""

    PM2_5 = 0
    PM10 = 1
    SO2 = 2
    NO2 = 3
    O3 = 4
    CO = 5
    VOC = 6
    CO2 = 7
    METHANE = 8
    TEMPERATURE = 9
    HUMIDITY = 10
    PRESSURE = 11
    WIND_SPEED = 12
    WIND_DIRECTION = 13
    RAIN = 14
    WATER_LEVEL = 15
    NOISE = 16
    VISIBILITY = 17
    ILLUMINANCE = 18
    FLOW = 19
    OCCUPANCY = 20
    SPEED = 21
    QUEUE_LENGTH = 22
    DISCHARGE = 23
    CAMERA_DOWN = 24
    PICTURE_FROZEN = 25
    PICTURE_BLACK = 26
    PICTURE_BLURRED = 27
    PICTURE_MOVED = 28


CAMERA_HEALTH: Final = (
    Quantity.CAMERA_DOWN,
    Quantity.PICTURE_FROZEN,
    Quantity.PICTURE_BLACK,
    Quantity.PICTURE_BLURRED,
    Quantity.PICTURE_MOVED,
)
"""What is told of a camera itself: 1 where it is so, else 0."""

CAMERA_BLIND: Final = (Quantity.CAMERA_DOWN, Quantity.PICTURE_FROZEN, Quantity.PICTURE_BLACK, Quantity.PICTURE_MOVED)
"""Of these, those with which nothing can be believed of what the camera shows: neither that it is so, nor where."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The canonical unit of a quantity, the closed range of plausible values in it, and the units converted to it.

    `others` maps a unit to (a, b): canonical = a * value + b. Ranges are what an instrument outdoors can show, with the
    slightly negative values that concentrations near zero have; they are wide on purpose, since a fire at the sensor is
    no error.
    """

    unit: str
    low: float
    high: float
    others: dict[str, tuple[float, float]]


_MASS = {"µg/m3": (1.0, 0.0), "µg/m³": (1.0, 0.0), "ug/m³": (1.0, 0.0), "mg/m3": (1000.0, 0.0), "mg/m³": (1000.0, 0.0)}
_BILLIONTHS = {"ppm": (1000.0, 0.0)}
_MILLIONTHS = {"ppb": (0.001, 0.0)}
_METRES = {"km": (1000.0, 0.0), "cm": (0.01, 0.0), "mm": (0.001, 0.0), "ft": (0.3048, 0.0)}
_SPEEDS = {"km/h": (1 / 3.6, 0.0), "mph": (0.44704, 0.0), "kn": (1852 / 3600, 0.0)}

MEASURES: Final = {
    Quantity.PM2_5: Measure("ug/m3", -50.0, 20_000.0, _MASS),
    Quantity.PM10: Measure("ug/m3", -50.0, 50_000.0, _MASS),
    Quantity.SO2: Measure("ug/m3", -50.0, 50_000.0, _MASS),
    Quantity.NO2: Measure("ug/m3", -50.0, 50_000.0, _MASS),
    Quantity.O3: Measure("ug/m3", -50.0, 50_000.0, _MASS),
    Quantity.CO: Measure("mg/m3", -1.0, 5_000.0, {"mg/m³": (1.0, 0.0), "ug/m3": (0.001, 0.0), "µg/m3": (0.001, 0.0)}),
    Quantity.VOC: Measure("ppb", -50.0, 1_000_000.0, _BILLIONTHS),
    Quantity.CO2: Measure("ppm", 0.0, 100_000.0, _MILLIONTHS),
    Quantity.METHANE: Measure("ppm", -10.0, 1_000_000.0, {**_MILLIONTHS, "%": (10_000.0, 0.0), "%LEL": (500.0, 0.0)}),
    Quantity.TEMPERATURE: Measure(
        "degC",
        -70.0,
        500.0,
        {"°C": (1.0, 0.0), "C": (1.0, 0.0), "degF": (5 / 9, -160 / 9), "°F": (5 / 9, -160 / 9), "K": (1.0, -273.15)},
    ),
    Quantity.HUMIDITY: Measure("%", -1.0, 110.0, {"1": (100.0, 0.0), "%RH": (1.0, 0.0)}),
    Quantity.PRESSURE: Measure("hPa", 300.0, 1_100.0, {"mbar": (1.0, 0.0), "kPa": (10.0, 0.0), "Pa": (0.01, 0.0)}),
    Quantity.WIND_SPEED: Measure("m/s", 0.0, 110.0, _SPEEDS),
    Quantity.WIND_DIRECTION: Measure("deg", 0.0, 360.0, {"°": (1.0, 0.0)}),
    Quantity.RAIN: Measure("mm/h", -1.0, 1_000.0, {"mm/min": (60.0, 0.0), "in/h": (25.4, 0.0)}),
    Quantity.WATER_LEVEL: Measure("mm", -10_000.0, 100_000.0, {"cm": (10.0, 0.0), "m": (1000.0, 0.0)}),
    Quantity.NOISE: Measure("dB", 0.0, 200.0, {"dB(A)": (1.0, 0.0), "dBA": (1.0, 0.0)}),
    Quantity.VISIBILITY: Measure("m", 0.0, 200_000.0, _METRES),
    Quantity.ILLUMINANCE: Measure("lx", 0.0, 300_000.0, {"klx": (1000.0, 0.0)}),
    Quantity.FLOW: Measure("veh/h", 0.0, 20_000.0, {"veh/min": (60.0, 0.0)}),
    Quantity.OCCUPANCY: Measure("%", 0.0, 100.0, {"1": (100.0, 0.0)}),
    Quantity.SPEED: Measure("m/s", 0.0, 120.0, _SPEEDS),
    Quantity.QUEUE_LENGTH: Measure("m", 0.0, 20_000.0, _METRES),
    Quantity.DISCHARGE: Measure("m3/s", -1_000.0, 200_000.0, {"m³/s": (1.0, 0.0), "ft3/s": (0.3048**3, 0.0)}),
    **dict.fromkeys(CAMERA_HEALTH, Measure("1", 0.0, 1.0, {})),
}

CLASS_CODES: Final = {word.name.lower(): int(word) for word in ObjectClass}
MODE_CODES: Final = {word.name.lower(): int(word) for word in Mode}
CATEGORY_CODES: Final = {word.name.lower(): int(word) for word in Category}
STATUS_CODES: Final = {word.name.lower(): int(word) for word in Status}
QUANTITY_CODES: Final = {word.name.lower(): int(word) for word in Quantity}


CONVERSIONS: Final = {
    (int(quantity), unit): by
    for quantity, measure in MEASURES.items()
    for unit, by in {measure.unit: (1.0, 0.0), **measure.others}.items()
}
"""(a, b) of canonical = a * value + b by quantity and unit; a pair that is not here does not fit together."""


class DeadLetter(StrEnum):
    """Why bytes cannot be read as observations: nobody downstream could use them."""

    TOO_LONG = "too_long"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    KIND = "kind"
    SOURCE = "source"
    SEQUENCE = "sequence"
    TIME = "time"
    POSITION = "position"
    PAYLOAD = "payload"
    FIELD = "field"
    ENVELOPE = "envelope"
    EMPTY = "empty"
    MARK = "mark"
    CONFIGURATION = "configuration"
    WARNING = "warning"


class Quarantine(IntEnum):
    """Why a readable row is not believed; `NONE` is an admitted row."""

    NONE = 0
    STATUS = 1
    CLOCK = 2
    DATUM = 3
    POSITION = 4
    CONFIDENCE = 5
    SPEED = 6
    HEADING = 7
    QUANTITY = 8
    UNIT = 9
    VALUE = 10
