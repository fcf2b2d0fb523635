"""The judgement: two answers to the same recordings held against each other, and against a policy."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from city_brain.errors import SettingsError
from city_brain.incidents.incident import Incident
from city_brain.playback.gating.answers import Said
from city_brain.playback.gating.policy import Bounds, Policy
from city_brain.replay.comparing import WITHIN_M, WITHIN_MS, gap_m, paired
from city_brain.scoring import Score, score_worlds
from city_brain.scoring.records import GATE_M

PARTNERS_MS: Final = 120_000
PARTNERS_M: Final = 150.0
"""How far apart two announcements of one event may lie under two rules: as long as a slow rule waits for a second
source, and as far as a queue's middle moves while it grows.
"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that is gained, lost or moved; of one that is gained nothing stands under `before`."""

    what: Literal["gained", "lost", "moved"]
    recording: str
    type: str
    before: str
    """Its number for people."""
    after: str
    announced_ms: int
    """Under the new rules; of one that is lost under the old ones."""
    later_s: float
    apart_m: float
    level_before: str | None
    level_after: str | None


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one type, or of all: alarms, and recall and false alarms where the truth is known."""

    before: int
    after: int
    gained: int
    lost: int
    moved: int
    alarms_per_hour_before: float
    alarms_per_hour_after: float
    latest_s: float
    """By how much an announcement is later at most; 0 where none is."""
    recall_before: float | None = None
    recall_after: float | None = None
    false_before: int | None = None
    false_after: int | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says; `blocked` names each bound that is broken, and is empty where the change may pass."""

    recordings: tuple[str, ...]
    hours: float
    whole: Kind
    types: dict[str, Kind]
    changes: tuple[Change, ...]
    blocked: tuple[str, ...]


def judge(before: Sequence[Said], after: Sequence[Said], policy: Policy) -> Judged:
    """Judges a change of rules by what was said of the same recordings, in the same order.

    Truth counts where every recording has one; raises SettingsError where the policy asks for it in vain.
    """
    known = all(said.truth is not None for said in before)
    if policy.asks_for_truth and not known:
        raise SettingsError("policy: wanted a truth beside every recording, for recall and false alarms, got none")
    for name, bounds in policy.types.items():
        if bounds.asks_for_truth and name not in GATE_M:
            raise SettingsError(f"policy, {name}: wanted a type that scores know, got one without recall")
    changes: list[Change] = []
    delays: list[tuple[str, float]] = []
    for pair in zip(before, after, strict=True):
        found, later = _held_together(*pair)
        changes += found
        delays += later
    hours = sum(said.hours for said in before)
    scores = (_score(before), _score(after)) if known else None
    present = {incident.type for said in (*before, *after) for incident in said.incidents}
    types = {
        name: _kind(name, before, after, changes, delays, scores) for name in sorted(present | policy.types.keys())
    }
    whole = _kind("", before, after, changes, delays, scores)
    blocked = _broken("all types", policy.whole, whole)
    for name, bounds in policy.types.items():
        blocked += _broken(name, bounds, types[name])
    return Judged(
        recordings=tuple(said.place for said in before), hours=hours, whole=whole, types=types, changes=tuple(changes),
        blocked=tuple(blocked),
    )  # fmt: skip


def _held_together(before: Said, after: Said) -> tuple[list[Change], list[tuple[str, float]]]:
    """What changes in a recording; and of each incident that stays its type, and by how many seconds it is later."""
    left, right = before.incidents, after.incidents
    partners = paired(left, right, PARTNERS_MS, PARTNERS_M)
    both = [(left[i], right[j]) for i, j in partners]
    found = [_change("moved", before.place, a, b) for a, b in both if _has_moved(a, b)]
    with_left, with_right = ({pair[side] for pair in partners} for side in (0, 1))
    found += [_change("lost", before.place, a, None) for i, a in enumerate(left) if i not in with_left]
    found += [_change("gained", before.place, None, b) for j, b in enumerate(right) if j not in with_right]
    found.sort(key=lambda change: (change.announced_ms, change.type, change.before, change.after))
    return found, [(b.type, _later_ms(a, b) / 1000) for a, b in both]


def _has_moved(a: Incident, b: Incident) -> bool:
    return gap_m(a, b) > WITHIN_M or abs(_later_ms(a, b)) > WITHIN_MS or a.level != b.level


def _later_ms(a: Incident, b: Incident) -> int:
    return (b.detected_ms or 0) - (a.detected_ms or 0)


def _change(what: Literal["gained", "lost", "moved"], place: str, a: Incident | None, b: Incident | None) -> Change:
    there = b or a
    assert there is not None  # noqa: S101 - one of them is
    return Change(
        what=what, recording=place, type=there.type, before=a.number if a else "", after=b.number if b else "",
        announced_ms=there.detected_ms or 0, later_s=_later_ms(a, b) / 1000 if a and b else 0.0,
        apart_m=round(gap_m(a, b), 1) if a and b else 0.0, level_before=a.level if a else None,
        level_after=b.level if b else None,
    )  # fmt: skip


def _score(said: Sequence[Said]) -> Score:
    return score_worlds([(one.truth, one.answers) for one in said if one.truth is not None])


def _kind(
    name: str, before: Sequence[Said], after: Sequence[Said], changes: Sequence[Change],
    delays: Sequence[tuple[str, float]], scores: tuple[Score, Score] | None,
) -> Kind:  # fmt: skip
    """The figures of a type; “”: of all."""
    hours = sum(said.hours for said in before)
    counts = [
        sum(name in ("", incident.type) for said in answers for incident in said.incidents)
        for answers in (before, after)
    ]
    mine = [change for change in changes if name in ("", change.type)]
    tally = {what: sum(change.what == what for change in mine) for what in ("gained", "lost", "moved")}
    figures = [score.types.get(name) if name else score.overall for score in scores or ()]
    recall = [None if f is None or f.detection_rate is None else round(f.detection_rate, 4) for f in figures]
    false = [0 if f is None and name in GATE_M else None if f is None else f.false_alarms for f in figures]
    recall_before, recall_after = recall or (None, None)
    false_before, false_after = false or (None, None)
    return Kind(
        before=counts[0], after=counts[1], gained=tally["gained"], lost=tally["lost"], moved=tally["moved"],
        alarms_per_hour_before=round(counts[0] / hours, 3), alarms_per_hour_after=round(counts[1] / hours, 3),
        latest_s=max([0.0, *(later_s for kind, later_s in delays if name in ("", kind))]),
        recall_before=recall_before, recall_after=recall_after, false_before=false_before, false_after=false_after,
    )  # fmt: skip


def _broken(name: str, bounds: Bounds, kind: Kind) -> list[str]:
    """The bounds that do not hold, in words."""
    found = [
        ("lost", kind.lost), ("gained", kind.gained), ("moved", kind.moved), ("later_s", kind.latest_s),
        ("alarms_per_hour", kind.alarms_per_hour_after), ("false_alarms", kind.false_after),
    ]  # fmt: skip
    broken = []
    for what, got in found:
        most = getattr(bounds, what)
        if most is not None and got is not None and got > most:
            broken.append(f"{name}, {what}: wanted at most {most:g}, got {got:g}")
    if bounds.recall is not None and kind.recall_after is not None and kind.recall_after < bounds.recall:
        broken.append(f"{name}, recall: wanted at least {bounds.recall:g}, got {kind.recall_after:g}")
    return broken
