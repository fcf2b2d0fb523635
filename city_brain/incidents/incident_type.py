"""Incident types: what a city calls an incident, read strictly from one YAML file per type.

A file names a detector and its parameters, says when a finding is suspected, announced and over, how findings join,
which other incident would explain it, and how bad it is. Whatever is misspelt, missing, of the wrong kind or out of
range is a RuleError that names the file, the path, what was wanted, what was found and the nearest word.
"""

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from city_brain.canonical import content_id
from city_brain.errors import RuleError
from city_brain.incidents.detectors import DETECTORS, Registered
from city_brain.incidents.types.strict_yaml import read_mapping
from city_brain.wording.nearest import nearest, told
from city_brain.wording.strictly import faults

Metres = Annotated[float, msgspec.Meta(ge=0.0, le=100_000.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)]
LogOdds = Annotated[float, msgspec.Meta(ge=-20.0, le=20.0)]
Weight = Annotated[float, msgspec.Meta(ge=0.0, le=20.0)]
LevelName = Literal["I", "II", "III", "IV"]
LEVELS: tuple[LevelName, ...] = ("I", "II", "III", "IV")
"""The four levels of Chinese emergency plans, from gravest (I, red) to lightest (IV, blue)."""

PLACEHOLDERS = ("place", "road", "intersection", "number")
"""What a headline may name in braces."""


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text for people, in Chinese and in English."""

    zh: str
    en: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule of explaining away: an incident of `type` accounts for findings of this type near it.

    A finding is explained when it lies within `radius_m` of the incident's extent and began between `before_s` before
    and `after_s` after it: a stop that is older than the crash was not caused by it.
    """

    type: str
    radius_m: Metres
    before_s: Seconds
    after_s: Seconds
    weight: Weight = 0.0
    """Log-odds that an explained finding lends to the cause, once for each set of sources."""
    most: Weight | None = None
    """The most that findings of this type lend together; absent: `weight`, so that they lend once."""
    about: tuple[str, ...] = ()
    """Only findings about one of these (for people's reports); empty: all."""
    needs: Literal["active", "suspected"] = "active"
    """How far the cause must have got; a report joins even a suspicion."""


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rung of the level ladder: every stated condition must hold; the first rung that holds is proposed."""

    level: LevelName
    confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    extent_m: Metres = 0.0
    """Radius, or length of the path."""
    duration_s: Seconds = 0.0
    sources: Annotated[int, msgspec.Meta(ge=0)] = 0
    magnitude: float | None = None


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Platt scaling: published confidence = logistic(slope × log-odds + shift).

    What is weighed decides; what it is worth is measured where the truth is known (`tests.benchmarks.confidence`).
    """

    slope: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 1.0
    shift: LogOdds = 0.0

    def of(self, log_odds: float) -> float:
        """The log-odds that are published, of the prior and the evidence together."""
        return self.slope * log_odds + self.shift


class IncidentType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One incident type, as its file says; `parameters` is the detector's own struct."""

    type: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")]
    version: Annotated[int, msgspec.Meta(ge=1)]
    detector: str
    parameters: Any
    suspect_log_odds: LogOdds
    """From here on the desk follows a finding and shows it as suspected."""
    open_log_odds: LogOdds
    """From here on the incident is announced."""
    close_log_odds: LogOdds
    """Below it an open incident has lost its evidence."""
    hold_s: Seconds
    """How long an announcement waits while an incident that would explain it is forming."""
    close_gap_s: Seconds
    """No finding, or one below `close_log_odds`, for so long: it has ended."""
    join_radius_m: Metres
    """Findings of this type so near are one event."""
    join_gap_s: Seconds
    """A finding so soon after the end re-opens the incident."""
    combine: Literal["strongest", "sum"] = "strongest"
    """Whether findings with different keys in one incident are rival readings of it, or independent witnesses."""
    merges: bool = False
    """Whether two open incidents become one when they grow together (queues)."""
    magnitude: str = ""
    """Unit of the findings' magnitude, as people read it."""
    levels: tuple[Level, ...] = ()
    calibration: Calibration = Calibration()
    headline: Words
    """With placeholders in braces: see `PLACEHOLDERS`."""
    phrases: dict[str, Words] = {}
    """How evidence codes read, as `stopped_in_lane: {zh: …, en: …}`; one without a phrase stays a code."""
    explained_by: tuple[Explanation, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentTypes:
    """All types of a site, by name, with causes before what they explain in `order`."""

    by_name: Mapping[str, IncidentType]
    order: tuple[str, ...]

    def __getitem__(self, name: str) -> IncidentType:
        if name not in self.by_name:
            raise RuleError(
                f"incident type: wanted one of {', '.join(self.by_name)}, got {name!r}{nearest(name, self.by_name)}"
            )
        return self.by_name[name]

    def __iter__(self) -> Iterator[IncidentType]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def fingerprint(self) -> str:
        """A hash of all that the files say, so that two sets of types can be told apart."""
        return content_id(*(msgspec.to_builtins(kind) for kind in self))

    @property
    def versions(self) -> dict[str, int]:
        """Version of each type, for tick records."""
        return {kind.type: kind.version for kind in self}


def read_incident_type(data: bytes | str, file: str, detectors: Mapping[str, Registered] = DETECTORS) -> IncidentType:
    """Reads one file; `file` is its name, for messages. Links to other types are checked by `collect`."""
    kind, found = _read(data, file, detectors)
    if kind is None or found:
        raise RuleError(told(found))
    return kind


def _read(data: bytes | str, file: str, detectors: Mapping[str, Registered]) -> tuple[IncidentType | None, list[str]]:
    """The type where its fields are right, and all that is wrong with the file."""
    plain = read_mapping(data, file)
    found = [fault.by_path(file) for fault in faults(plain, IncidentType)]
    kind = None if found else msgspec.convert(plain, IncidentType)
    detector, parameters = plain.get("detector"), plain.get("parameters")
    if isinstance(detector, str) and detector not in detectors:
        wanted = ", ".join(sorted(detectors)) or "a registered detector"
        found.append(f"{file}: detector: wanted one of {wanted}, got {detector!r}{nearest(detector, detectors)}")
    elif isinstance(detector, str) and parameters is not None:
        wrong = faults(parameters, detectors[detector].parameters, ("parameters",))
        found += [fault.by_path(file) for fault in wrong]
        if kind is not None and not wrong:
            converted = msgspec.convert(parameters, detectors[detector].parameters)
            kind = msgspec.structs.replace(kind, parameters=converted)
    if kind is not None:
        found += [f"{file}: {said}" for check in (_thresholds, _levels, _headline) for said in check(kind)]
    return kind, found


def collect(kinds: Mapping[str, IncidentType]) -> IncidentTypes:
    """Puts types together; `kinds` maps file names to them. Names must be unique, links known and free of cycles."""
    by_name: dict[str, IncidentType] = {}
    files: dict[str, str] = {}
    for file, kind in kinds.items():
        if kind.type in files:
            raise RuleError(f"{file}: type: wanted a name of its own, got {kind.type!r}, which {files[kind.type]} has")
        by_name[kind.type], files[kind.type] = kind, file
    strange = [
        f"{files[kind.type]}: explained_by[{at}].type: wanted one of {', '.join(sorted(by_name))}, "
        f"got {link.type!r}{nearest(link.type, by_name)}"
        for kind in by_name.values()
        for at, link in enumerate(kind.explained_by)
        if link.type not in by_name
    ]
    if strange:
        raise RuleError(told(strange))
    return IncidentTypes({name: by_name[name] for name in sorted(by_name)}, _causes_first(by_name, files))


def built_in_files() -> dict[str, bytes]:
    """The type files that come with city-brain: file name to content, in order of name."""
    folder = resources.files("city_brain.incidents") / "types"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return {entry.name: entry.read_bytes() for entry in sorted(found, key=lambda entry: entry.name)}


def load_incident_types(
    folder: Path | None = None, only: tuple[str, ...] = (), detectors: Mapping[str, Registered] = DETECTORS
) -> IncidentTypes:
    """The built-in types, and those of a site's `folder`, which replace built-in ones of the same file name.

    `only` restricts the outcome to these types, whose links to others then lie idle.
    """
    own = type_files(folder) if folder is not None else {}
    if not only:
        return types_of(own, detectors)
    files = built_in_files() | own
    kinds = {}
    for name in only:
        file = f"{name}.yaml"
        if file not in files:
            raise RuleError(f"incident type: wanted one of {', '.join(files)}, got {file!r}{nearest(file, files)}")
        kind = read_incident_type(files[file], file, detectors)
        links = tuple(link for link in kind.explained_by if link.type in only)
        kinds[file] = msgspec.structs.replace(kind, explained_by=links)
    return collect(kinds)


def types_of(own: Mapping[str, bytes], detectors: Mapping[str, Registered] = DETECTORS) -> IncidentTypes:
    """The built-in types with a site's own, by file name, which replace built-in ones of the same name."""
    files = built_in_files() | dict(own)
    return collect({file: read_incident_type(data, file, detectors) for file, data in files.items()})


def type_files(folder: Path) -> dict[str, bytes]:
    """The incident type files of a site's folder: file name to content."""
    if not folder.is_dir():
        raise RuleError(f"{folder}: wanted a folder of incident type files, got none")
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}


def _thresholds(kind: IncidentType) -> Iterator[str]:
    close, suspect, announce = kind.close_log_odds, kind.suspect_log_odds, kind.open_log_odds
    if not close <= suspect <= announce or close == announce:
        wanted = "close_log_odds <= suspect_log_odds <= open_log_odds with a gap"
        yield f"open_log_odds: wanted {wanted}, got {close:g}, {suspect:g}, {announce:g}"


def _levels(kind: IncidentType) -> Iterator[str]:
    ranks = [LEVELS.index(rung.level) for rung in kind.levels]
    if ranks != sorted(ranks):
        yield f"levels: wanted rungs from I to IV, got {', '.join(rung.level for rung in kind.levels)}"
    for at, rung in enumerate(kind.levels):
        if rung.magnitude is not None and not kind.magnitude:
            yield f"levels[{at}].magnitude: wanted the type to state the unit `magnitude`, got none"


def _headline(kind: IncidentType) -> Iterator[str]:
    for language in ("zh", "en"):
        text: str = getattr(kind.headline, language)
        path = f"headline.{language}"
        if not text.strip():
            yield f"{path}: wanted a line of text, got an empty one"
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as wrong:
            yield f"{path}: wanted balanced braces, got {text!r} ({wrong})"
            continue
        for name in names:
            if name not in PLACEHOLDERS:
                wanted = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                yield f"{path}: wanted placeholders {wanted}, got {{{name}}}{nearest(name, PLACEHOLDERS)}"


def _causes_first(by_name: Mapping[str, IncidentType], files: Mapping[str, str]) -> tuple[str, ...]:
    """Type names, each after those that explain it; ties by name."""
    order: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            circle = " <- ".join((*trail[trail.index(name) :], name))
            raise RuleError(f"{files[name]}: explained_by: wanted causes without a circle, got {circle}")
        if name not in order:
            for link in sorted(by_name[name].explained_by, key=lambda link: link.type):
                visit(link.type, (*trail, name))
            order.append(name)

    for name in sorted(by_name):
        visit(name, ())
    return tuple(order)
