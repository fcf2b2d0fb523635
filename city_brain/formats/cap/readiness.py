"""Warnings of others: what holds where, and when; so a city knows that a rainstorm is warned of before its roads flood.

A warning becomes one `Readiness` for each block of its Chinese text (of its first language, where it has none in
Chinese). The `ReadinessBook` takes warnings in the order in which they come and keeps what holds: an Update or Cancel
replaces or ends what it refers to.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from city_brain.errors import StateError
from city_brain.formats.cap.alert import Alert, Area, Circle, Info, MessageType, Reference, Ring, Severity, Status
from city_brain.formats.cap.vocabulary import CPEAS_GEOCODE, GRADES, OTHER_GEOCODE
from city_brain.formats.times import epoch_ms
from city_brain.incidents.incident import Level

DEFAULT_VALID_MS: Final = 24 * 3_600_000
"""A warning that does not say when it ends is believed for a day; Chinese warnings are renewed within that time."""
MOST_WARNINGS: Final = 5_000
"""That hold at a time; a province sees some hundreds on a stormy day."""
MOST_BYTES: Final = 8 << 20
"""Of all of them together, packed; snapshots carry them."""
NEVER_MS: Final = (1 << 63) - 1
"""Later than every moment."""
MOST_GONE: Final = 20_000
"""Messages remembered as replaced, cancelled or over, so that one which comes late does not rise again."""

_LEVEL = re.compile(r"(?<![IVⅠⅡⅢⅣ])(IV|III|II|I|Ⅳ|Ⅲ|Ⅱ|Ⅰ)级|\bLevel\s+(IV|III|II|I)\b", re.IGNORECASE)
_COLOUR = re.compile(r"([红橙黄蓝])色|\b(red|orange|yellow|blue)\b", re.IGNORECASE)
_ROMAN: dict[str, Level] = {"Ⅰ": "I", "Ⅱ": "II", "Ⅲ": "III", "Ⅳ": "IV", "I": "I", "II": "II", "III": "III", "IV": "IV"}
_COLOURS: dict[str, Level] = {"红": "I", "橙": "II", "黄": "III", "蓝": "IV"}
_ENGLISH: dict[str, Level] = {"red": "I", "orange": "II", "yellow": "III", "blue": "IV"}

_OUR_CODES = (CPEAS_GEOCODE.lower(), OTHER_GEOCODE.lower(), "adcode", "gb/t 2260")

Outcome: TypeAlias = Literal["taken", "repeated", "superseded", "ended", "ignored"]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What a warning says: which event, how bad, where and from when until when."""

    sender: str
    identifier: str
    status: Status
    event: str
    event_codes: tuple[str, ...]
    level: Level | None
    """By a level or colour in the headline, else by the severity; null where that is unknown, too."""
    severity: Severity
    headline: str
    area_codes: tuple[str, ...]
    places: tuple[str, ...]
    """Areas as people call them."""
    polygons: tuple[Ring, ...]
    circles: tuple[Circle, ...]
    from_ms: int
    until_ms: int
    over: bool
    """It is the all-clear, or about what is past: nothing to be ready for."""

    @property
    def is_placed(self) -> bool:
        """Whether it has a code or a shape; names of areas alone say nothing to a machine."""
        return bool(self.area_codes or self.polygons or self.circles)

    def holds_at(self, moment_ms: int) -> bool:
        """Whether it holds at a moment; its end is not part of it."""
        return self.from_ms <= moment_ms < self.until_ms


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that is kept: the message, and what it says."""

    sent: str
    readiness: tuple[Readiness, ...]
    size: int
    """Of what it says, packed, in bytes."""

    @property
    def until_ms(self) -> int:
        """When the last of it is over."""
        return max(item.until_ms for item in self.readiness)


class Counts(msgspec.Struct):
    """Where every message ended, and what became of those that were taken."""

    taken: int = 0
    repeated: int = 0
    """The same message again."""
    superseded: int = 0
    """It came after what replaced or cancelled it, or came again when it was over."""
    ended: int = 0
    """Cancels, all-clears, and warnings that were over when they came."""
    ignored: int = 0
    """It warns of nothing: drafts, receipts, system messages, alerts without a code or shape of an area."""
    replaced: int = 0
    cancelled: int = 0
    expired: int = 0
    forgotten: int = 0
    """Taken, then let go because too many held at a time: those that would have ended first."""
    strange: int = 0
    """References to messages of another sender, which were not followed."""


class ReadinessBook(msgspec.Struct):
    """The warnings that hold or will hold, by sender and identifier, in the order in which they came."""

    warnings: dict[str, Warned] = {}
    gone: dict[str, None] = {}
    counts: Counts = msgspec.field(default_factory=Counts)
    most_warnings: int = MOST_WARNINGS

    def take(self, alert: Alert, log_ms: int) -> Outcome:
        """Takes the next message at a log time, and says what became of it."""
        outcome = self._take(alert, log_ms)
        setattr(self.counts, outcome, getattr(self.counts, outcome) + 1)
        return outcome

    def in_force(self, log_ms: int, status: Status = "Actual") -> tuple[Readiness, ...]:
        """What holds at a log time, the gravest first, then in the order in which it came.

        Exercises and tests are asked for by `status`, and never answer for what is actual.
        """
        found = (item for item in self._all() if item.status == status and item.holds_at(log_ms))
        return tuple(sorted(found, key=lambda item: _rank(item.level)))

    def changes_after(self, log_ms: int) -> int:
        """When, after a log time, something begins or ceases to hold by itself; `NEVER_MS` if nothing does."""
        moments = [moment for item in self._all() for moment in (item.from_ms, item.until_ms) if moment > log_ms]
        return min(moments, default=NEVER_MS)

    def to_bytes(self) -> bytes:
        """The book; the same messages in the same order give the same bytes."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReadinessBook":
        """Reads what `to_bytes` wrote; raises StateError."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise StateError(f"readiness: wanted a book of warnings, got {wrong}") from wrong

    def _all(self) -> Iterator[Readiness]:
        for warned in self.warnings.values():
            yield from warned.readiness

    def _take(self, alert: Alert, log_ms: int) -> Outcome:
        self._expire(log_ms)
        if alert.message_type not in _WARNING or alert.status in ("Draft", "System"):
            return "ignored"
        key = _key(alert.reference)
        if key in self.warnings:
            return "repeated"
        for reference in alert.references:
            self._end(reference, alert)
        if alert.message_type == "Cancel":
            self._remember(key)
            return "ended"
        if key in self.gone:
            return "superseded"
        placed = [item for item in readiness_of(alert) if item.is_placed]
        if not placed:
            return "ignored"
        readiness = tuple(item for item in placed if not item.over and item.until_ms > log_ms)
        if not readiness:
            self._remember(key)
            return "ended"
        warned = Warned(sent=alert.sent, readiness=readiness, size=len(msgspec.msgpack.encode(readiness)))
        self.warnings[key] = warned
        self._forget()
        return "taken"

    def _forget(self) -> None:
        """Lets go of what ends first until the rest is within its bounds."""
        size = sum(warned.size for warned in self.warnings.values())
        while len(self.warnings) > self.most_warnings or size > MOST_BYTES:
            first = min(self.warnings, key=lambda name: (self.warnings[name].until_ms, name))
            size -= self.warnings.pop(first).size
            self.counts.forgotten += 1

    def _end(self, reference: Reference, alert: Alert) -> None:
        if reference.sender != alert.sender:
            self.counts.strange += 1
            return
        key = _key(reference)
        if self.warnings.pop(key, None) is not None:
            if alert.message_type == "Cancel":
                self.counts.cancelled += 1
            else:
                self.counts.replaced += 1
        self._remember(key)

    def _remember(self, key: str) -> None:
        self.gone.pop(key, None)
        self.gone[key] = None
        while len(self.gone) > MOST_GONE:
            del self.gone[next(iter(self.gone))]

    def _expire(self, log_ms: int) -> None:
        for key in [key for key, warned in self.warnings.items() if warned.until_ms <= log_ms]:
            del self.warnings[key]
            self.counts.expired += 1


_WARNING: tuple[MessageType, ...] = ("Alert", "Update", "Cancel")


def readiness_of(alert: Alert) -> tuple[Readiness, ...]:
    """What an alert says, a value for each block of its Chinese text; nothing where it names no area."""
    placed = [info for info in alert.infos if info.areas]
    chinese = [info for info in placed if info.language.lower().split("-")[0] == "zh"]
    chosen = chinese or [info for info in placed if info.language == placed[0].language]
    return tuple(_readiness(alert, info) for info in chosen)


def level_of(info: Info) -> Level | None:
    """The level of a warning: as its headline says in figures, else its colour there, else by its severity."""
    numbered = _LEVEL.search(info.headline)
    if numbered:
        return _ROMAN[(numbered[1] or numbered[2]).upper()]
    coloured = _COLOUR.search(info.headline)
    if coloured:
        return _COLOURS[coloured[1]] if coloured[1] else _ENGLISH[coloured[2].lower()]
    return next((grade.level for grade in GRADES if grade.severity == info.severity), None)


def _readiness(alert: Alert, info: Info) -> Readiness:
    from_ms = epoch_ms(info.effective or alert.sent) or 0
    until_ms = epoch_ms(info.expires) if info.expires else None
    return Readiness(
        sender=alert.sender,
        identifier=alert.identifier,
        status=alert.status,
        event=info.event,
        event_codes=tuple(code.value for code in info.event_codes),
        level=level_of(info),
        severity=info.severity,
        headline=info.headline,
        area_codes=_area_codes(info.areas),
        places=tuple(area.description for area in info.areas),
        polygons=_shapes(info.areas),
        circles=tuple(circle for area in info.areas for circle in area.circles),
        from_ms=from_ms,
        until_ms=from_ms + DEFAULT_VALID_MS if until_ms is None else until_ms,
        over=info.urgency == "Past" or "AllClear" in info.responses,
    )


def _area_codes(areas: Sequence[Area]) -> tuple[str, ...]:
    """Codes of systems that a city's map uses; those of others, such as counties of the United States, look alike."""
    named = (code for area in areas for code in area.geocodes if code.name.lower() in _OUR_CODES)
    return tuple(dict.fromkeys(code.value for code in named))


def _shapes(areas: Sequence[Area]) -> tuple[Ring, ...]:
    return tuple(ring for area in areas for ring in area.polygons)


def _key(reference: Reference) -> str:
    return f"{reference.sender},{reference.identifier}"


def _rank(level: Level | None) -> int:
    return next((at for at, grade in enumerate(GRADES) if grade.level == level), len(GRADES))
