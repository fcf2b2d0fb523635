"""The answer to why something was not told: candidates and their gates, who could have seen it, and one sentence."""

from dataclasses import dataclass

import msgspec

from city_brain.incidents.desk.evidence import confidence
from city_brain.incidents.explain import headline
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.inquiry.candidates import Candidate, candidates
from city_brain.inquiry.listening import Listener, Question
from city_brain.inquiry.sight import Sight, TypeSight, Witness
from city_brain.inquiry.telling import Clock, enough


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say to a question."""

    question: Question
    summary: str
    candidates: tuple[Candidate, ...]
    cameras: tuple[Witness, ...]
    signals: tuple[Witness, ...]
    reports: int
    types: tuple[TypeSight, ...]
    heard_from_ms: int
    heard_until_ms: int


def answer(listener: Listener, clock: Clock) -> Answer:
    """Puts together what a listener has heard."""
    types, question = listener.runner.types, listener.question
    sight, found = Sight(listener, clock), tuple(candidates(listener))
    seen = tuple(sight.of(kind) for kind in types if question.type in ("", kind.type))
    return Answer(
        question=question,
        summary=_summary(found, seen, question, Words(types, clock)),
        candidates=found,
        cameras=tuple(sight.cameras()),
        signals=tuple(sight.signals()),
        reports=listener.reports,
        types=seen,
        heard_from_ms=listener.first_ms or 0,
        heard_until_ms=listener.last_ms,
    )


def _summary(found: tuple[Candidate, ...], seen: tuple[TypeSight, ...], question: Question, words: "Words") -> str:
    """The answer in a sentence or two: the farthest that anything came, else whether it could be seen at all."""
    told = [made for made in found if made.gate == "announced"]
    asked = [made for made in told if question.type in ("", made.type)]
    if asked:
        return "It was told: " + "; ".join(words.announced(made) for made in asked) + "."
    others = "; ".join(words.announced(made) for made in told)
    besides = f" Under another type there was told: {others}." if others else ""
    return _untold([made for made in found if made not in told], seen, question, words) + besides


def _untold(found: list[Candidate], seen: tuple[TypeSight, ...], question: Question, words: "Words") -> str:
    """Why nothing was told of what is asked for."""
    what = "it" if question.type else "anything"
    weighed = next((made for made in found if made.gate != "not_handed_over"), None)
    if weighed is not None:
        return f"Not told: {words.weighed(weighed)}."
    could = [sight for sight in seen if sight.could == "yes"]
    half = [sight for sight in seen if sight.could == "partly"]
    if not could and not half:
        return f"Not told: no source could have seen {what} there then, since {'; '.join(seen[0].why)}."
    if found and (could or not half):
        return f"Not told: nothing was suspected. What came nearest: {words.looked(found[0])}."
    if could:
        return f"Not told: nothing pointed to {what} there, though it could have been seen: {'; '.join(could[0].why)}."
    nearest = f" What came nearest: {words.looked(found[0])}." if found else ""
    return f"Not told: {what} could hardly have been seen there then: {'; '.join(half[0].why)}.{nearest}"


@dataclass(frozen=True, slots=True)
class Words:
    """Candidates and sources in words."""

    types: IncidentTypes
    clock: Clock

    def announced(self, made: Candidate) -> str:
        """An incident that was announced."""
        if made.last is None or made.announced_ms is None:
            return self.looked(made)
        title = headline(made.last, self.types[made.type]).en
        wait_s = (made.announced_ms - made.first_ms) / 1000
        when = f"announced at {self.clock(made.announced_ms)}, {wait_s:.0f} s after it began"
        undone = f", and withdrawn at {self.clock(made.last.updated_ms)}" if made.last.state == "withdrawn" else ""
        return f"{made.number} {title}, {made.away_m:.0f} m away, {when}{undone}"

    def weighed(self, made: Candidate) -> str:
        """A candidate that was weighed, and the gate that it did not get past."""
        kind = self.types[made.type]
        what = kind.type.replace("_", " ")
        name = f"{made.number} {headline(made.last, kind).en}" if made.last is not None else f"a possible {what}"
        seen = f" ({made.what})" if made.what else ""
        return f"{name}{seen}, {made.away_m:.0f} m away and since {self.clock(made.first_ms)}, {self.gate(made)}"

    def gate(self, made: Candidate) -> str:
        """What stopped a candidate, in words."""
        short = self.short(made)
        if made.gate == "explained" and made.cause is not None:
            title = headline(made.cause, self.types[made.cause.type]).en
            return f"counts as part of {made.cause.number}, {title}, which explains it ({self._became(made)})"
        if made.gate == "merged" and made.cause is not None:
            return f"became one with {made.cause.number} ({self._became(made)})"
        if made.gate == "faded" and made.last is not None:
            when = self.clock(made.last.updated_ms)
            then = f" (then it was: {made.lacks})" if made.lacks else ""
            return f"was suspected and withdrawn at {when}, when what spoke for it went away{then}; {short}"
        if made.gate == "held":
            hold_s = self.types[made.type].hold_s
            return f"waited (up to {hold_s:.0f} s) for what might explain it, and was over before that; {short}"
        if made.gate == "not_enough":
            return f"is suspected, and was never sure enough to be announced; {short}"
        if made.gate == "not_suspected":
            return f"was weighed and never even suspected; {short}"
        return f"was closed ({made.last.reason if made.last else made.gate})"

    def short(self, made: Candidate) -> str:
        """What was missing for an announcement."""
        if made.log_odds is None or made.missing is None:
            return "it was never weighed"
        kind = self.types[made.type]
        sure, wanted = confidence(made.log_odds, kind.calibration), enough(kind)
        if made.missing == 0.0:
            return f"at its surest it was believed to {sure:.0%}, which is enough"
        short = f"{made.log_odds:+.2f} of {made.needed:+.2f}, so {made.missing:.2f} was missing"
        return f"at its surest it was believed to {sure:.0%}, and {wanted:.0%} announces it ({short})"

    def looked(self, made: Candidate) -> str:
        """What a detector looked at, and what it lacked."""
        what = made.type.replace("_", " ")
        return f"{made.what}, {made.away_m:.0f} m away; no {what}: {made.lacks}"

    def _became(self, made: Candidate) -> str:
        cause = made.cause
        if cause is None or cause.detected_ms is None:
            return "which was itself never announced"
        return f"announced at {self.clock(cause.detected_ms)}"
