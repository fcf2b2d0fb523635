"""Cases: open incidents as the desk keeps them, with their ids and numbers; all memory of the desk is here."""

from collections.abc import Sequence

import msgspec

from city_brain.canonical import content_id
from city_brain.incidents.hypothesis import Finding, Status
from city_brain.incidents.incident import Level, State
from city_brain.incidents.lifecycle import INITIAL, OPEN

_DAYS_KEPT = 8
_DAY_MS = 86_400_000


class Member(msgspec.Struct):
    """A finding that makes up an incident."""

    finding: Finding
    """As last handed over while it stood."""
    strong_ms: int
    """Due time of the last tick in which it was handed over with at least the type's `close_log_odds`."""
    gone: bool = False
    """It was seen to end, was not handed over for `close_gap_s`, or went to another case."""


class Absorbed(Member, kw_only=True):
    """A finding that an incident explains, or a report that joined it."""

    weight: float
    """Log-odds that it lends, once for each set of sources, findings of its type together at most `most`."""
    most: float
    distance_m: float


class Published(msgspec.Struct, frozen=True):
    """What the last revision said, as far as the next depends on it."""

    revision: int
    state: State
    reason: str | None
    confidence: float
    level: Level | None
    x: float
    y: float
    extent_m: float
    sources: tuple[int, ...]
    updated_ms: int


class Case(msgspec.Struct):
    """One incident, from first suspicion until it is forgotten. Instants are due times unless they say otherwise."""

    id: str
    type: str
    status: Status
    about: str
    opened_ms: int
    first_seen_ms: int
    """Event time of the beginning."""
    last_seen_ms: int
    """Event time of the latest evidence."""
    number: str = ""
    """Given with the first revision."""
    state: State = INITIAL
    reason: str | None = None
    lead: str = ""
    """Key of the member that gives the place."""
    log_odds: float = 0.0
    """Total as last believed; stays when the evidence fades below suspicion."""
    ready_ms: int | None = None
    """Since when it could be announced."""
    held: bool = False
    """A stronger explanation is forming: nothing is said yet."""
    detected_ms: int | None = None
    closed_ms: int | None = None
    """When it ended or was withdrawn."""
    members: dict[str, Member] = {}
    absorbed: dict[str, Absorbed] = {}
    """By identity (see `identity`)."""
    lent: dict[str, float] = {}
    """Log-odds lent by cases of other types that wait for this one to form, by type; of the last tick only."""
    published: Published | None = None

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.state in OPEN

    @property
    def age(self) -> tuple[int, int, str]:
        """Orders cases by opening, then by the beginning of the event, then by id."""
        return self.opened_ms, self.first_seen_ms, self.id

    def findings(self) -> list[Finding]:
        """The findings that stand, in order of joining; where none does, all."""
        standing = [member.finding for member in self.members.values() if not member.gone]
        return standing or [member.finding for member in self.members.values()]

    def entries(self) -> list[Member]:
        """Members and absorbed findings."""
        return [*self.members.values(), *self.absorbed.values()]

    def see(self, finding: Finding) -> None:
        """Widens the span of event time."""
        self.first_seen_ms = min(self.first_seen_ms, finding.first_seen_ms)
        self.last_seen_ms = max(self.last_seen_ms, finding.last_seen_ms)


class DeskState(msgspec.Struct):
    """Everything the desk remembers between ticks."""

    tick: int | None = None
    """The last tick done."""
    cases: dict[str, Case] = {}
    """By id, in order of opening."""
    owner: dict[str, str] = {}
    """Identity of each finding that is a member of a case, or absorbed by one: the id of that case."""
    numbers: dict[str, int] = {}
    """Numbers given per day (`2026-06-11`), of the last days."""


def identity(status: str, kind: str, key: str) -> str:
    """What makes two findings the same hypothesis."""
    return f"{status}|{kind}|{key}"


def identity_of(finding: Finding) -> str:
    """The identity of a finding."""
    return identity(finding.status, finding.type, finding.key)


def open_case(finding: Finding, tick: int, due_ms: int, place: tuple[float, float]) -> Case:
    """A case of one finding at `place` (longitude, latitude), not yet spoken of.

    Its id is a hash of type, status, place to about 10 m, key and beginning of its first finding, and the tick in which
    that sufficed.
    """
    lon, lat = (round(degrees, 4) for degrees in place)
    content = (finding.type, finding.status, lon, lat, finding.key, finding.first_seen_ms, tick)
    return Case(
        id=content_id(*content),
        type=finding.type,
        status=finding.status,
        about=finding.about,
        opened_ms=due_ms,
        first_seen_ms=finding.first_seen_ms,
        last_seen_ms=finding.last_seen_ms,
    )


def next_number(numbers: dict[str, int], first_seen_ms: int, utc_offsets: Sequence[tuple[int, int]]) -> str:
    """Counts the incident into its day in the city's time zone: `0611-042`. Days long past leave `numbers`."""
    offset_s = utc_offsets[0][1]
    for start_ms, seconds in utc_offsets:
        if start_ms <= first_seen_ms:
            offset_s = seconds
    year, month, day = civil_date((first_seen_ms + 1000 * offset_s) // _DAY_MS)
    name = f"{year:04d}-{month:02d}-{day:02d}"
    numbers[name] = numbers.get(name, 0) + 1
    while len(numbers) > _DAYS_KEPT:
        del numbers[min(numbers)]
    return f"{month:02d}{day:02d}-{numbers[name]:03d}"


def civil_date(days: int) -> tuple[int, int, int]:
    """Year, month and day of the day `days` after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
    algorithms", civil_from_days): years run from March, so that the leap day comes last."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    return year_of_era + 400 * era + (month <= 2), month, day
