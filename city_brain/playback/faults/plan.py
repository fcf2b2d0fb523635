"""Plans of faults: which there are, whom they concern, and how files and words say so."""

import tomllib
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from city_brain.distributed.raw_log import RAW_TOPICS
from city_brain.errors import SettingsError
from city_brain.formats.times import epoch_ms

TOPICS: Final = tuple(topic for topic in RAW_TOPICS if topic != "control")
"""Topics whose records faults may concern."""
_MOST_MS: Final = 86_400_000
_MOST_COPIES: Final = 100
_MOST_WINDOW: Final = 10_000
_LISTS: Final = ("topics", "sources", "keys")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Whom a fault concerns; what is left out does not narrow it. A record is of a source where any row of it is."""

    name: str = ""
    """Part of every decision; default: kind and place in the plan."""
    share: float = 1.0
    """Of the records, or of the sources where the fault befalls a source."""
    topics: tuple[str, ...] = ()
    """Without the prefix that they carry on a broker."""
    sources: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    since: str = ""
    """From which stamp of the log on, as 2026-03-01T08:00:00+08:00."""
    until: str = ""
    """Before which stamp."""

    def __post_init__(self) -> None:
        _within(self, "share", 0.0, 1.0)
        for topic in self.topics:
            if topic not in TOPICS:
                raise SettingsError(f"{self.place}, topics: wanted some of {', '.join(TOPICS)}, got {topic!r}")
        if self.since_ms >= self.until_ms:
            raise SettingsError(f"{self.place}: wanted a time before {self.until} in since, got {self.since}")

    @property
    def kind(self) -> str:
        """What it does, as plans say it."""
        return str(self.__struct_config__.tag)

    @property
    def place(self) -> str:
        """How errors name it."""
        return f"fault {self.name or self.kind}"

    @property
    def since_ms(self) -> int:
        """The first stamp that it concerns."""
        return _stamp_ms(self.since, self.place) if self.since else -(1 << 62)

    @property
    def until_ms(self) -> int:
        """The first stamp that it no longer concerns."""
        return _stamp_ms(self.until, self.place) if self.until else 1 << 62


class Drop(Fault, frozen=True, kw_only=True, tag="drop"):
    """Records are lost; with `burst_s` all those of a partition within windows of that length, a share of windows."""

    burst_s: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _within(self, "burst_s", 0.0, _MOST_MS / 1000)


class Duplicate(Fault, frozen=True, kw_only=True, tag="duplicate"):
    """Records come `copies` times more, each `lag_ms` after the one before."""

    copies: int = 1
    lag_ms: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _within(self, "copies", 1, _MOST_COPIES)
        _within(self, "lag_ms", 0, _MOST_MS)


class Delay(Fault, frozen=True, kw_only=True, tag="delay"):
    """Records arrive later, by `delay_ms` and up to `jitter_ms` more."""

    delay_ms: int = 0
    jitter_ms: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _within(self, "delay_ms", 0, _MOST_MS)
        _within(self, "jitter_ms", 0, _MOST_MS)


class Reorder(Fault, frozen=True, kw_only=True, tag="reorder"):
    """Records fall behind up to `window` others of their partition, yet not behind its next mark."""

    window: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        _within(self, "window", 1, _MOST_WINDOW)


class Skew(Fault, frozen=True, kw_only=True, tag="skew"):
    """Clocks of sources are wrong by `offset_ms`, and drift by `drift_ppm` from `since` on."""

    offset_ms: int = 0
    drift_ppm: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _within(self, "offset_ms", -_MOST_MS, _MOST_MS)
        _within(self, "drift_ppm", -1e6, 1e6)
        if self.drift_ppm and not self.since:
            raise SettingsError(f"{self.place}: wanted since, from which the clock drifts, got none")


class Blackout(Fault, frozen=True, kw_only=True, tag="blackout"):
    """Sources say nothing."""


class Stuck(Fault, frozen=True, kw_only=True, tag="stuck"):
    """Sensors go on saying what they said first."""


class Corrupt(Fault, frozen=True, kw_only=True, tag="corrupt"):
    """Values are damaged: one bit is turned (`flip`), or they end too early (`cut`)."""

    how: Literal["flip", "cut"] = "flip"


AnyFault: TypeAlias = Drop | Duplicate | Delay | Reorder | Skew | Blackout | Stuck | Corrupt


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults in the order in which they befall a record, and the seed of all decisions."""

    seed: int = 0
    faults: tuple[AnyFault, ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) < len(names):
            raise SettingsError(f"faults: wanted names that differ, got {', '.join(names)}")
        if not -(1 << 63) <= self.seed < 1 << 63:
            raise SettingsError(f"faults, seed: wanted a number of 64 bits, got {self.seed}")

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each fault."""
        return tuple(fault.name or f"{fault.kind}-{number}" for number, fault in enumerate(self.faults, 1))


def read_plan(path: Path) -> Plan:
    """Reads a plan (TOML: `seed`, `[[faults]]`); raises SettingsError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Plan)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise SettingsError(f"{path}: wanted a plan of faults, got: {wrong}") from wrong


def fault_of(words: str) -> AnyFault:
    """A fault from words such as `delay:delay_ms=2000,share=0.1,topics=reports|signal.states`; raises SettingsError."""
    kind, _, rest = words.partition(":")
    said: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals or name in said:
            raise SettingsError(f"fault {words!r}: wanted name=value, each name once, got {part!r}")
        said[name] = value.split("|") if name in _LISTS else value
    try:
        found: AnyFault = msgspec.convert(said, AnyFault, strict=False)
    except msgspec.ValidationError as wrong:
        raise SettingsError(f"fault {words!r}: wanted a fault and its settings, got: {wrong}") from wrong
    return found


def _within(fault: Fault, name: str, low: float, high: float) -> None:
    value = getattr(fault, name)
    if not low <= value <= high:
        raise SettingsError(f"{fault.place}, {name}: wanted {low:g} to {high:g}, got {value}")


def _stamp_ms(text: str, place: str) -> int:
    found = epoch_ms(text)
    if found is None:
        raise SettingsError(f"{place}: wanted a time such as 2026-03-01T08:00:00+08:00, got {text!r}")
    return found
