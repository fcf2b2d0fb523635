"""The nearest right word, a value cut to a readable length, and the parts of a message."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

MOST_TOLD: Final = 20
"""Faults of one file that a message tells; the rest is counted."""
_CUTOFF: Final = 0.6
_LONGEST_WORD: Final = 200
_SHOWN: Final = 60
_MESSAGE: Final = re.compile(r"(?:(?P<place>.*?): )?wanted:? (?P<wanted>.*)[,;] got:? (?P<got>.*)", re.DOTALL)
_HINT: Final = re.compile(r"; did you mean '(?P<word>[^']*)'\?$")


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message in its parts."""

    place: str
    wanted: str
    got: str
    did_you_mean: str | None = None


def near_word(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest, whatever its case and its joints, "" where none is near."""
    folded: dict[str, str] = {}
    others = sorted(known)
    if word in others:
        return ""  # it is the right word, in the wrong place
    for other in others:
        folded.setdefault(_folded(other), other)
    close = difflib.get_close_matches(_folded(word[:_LONGEST_WORD]), list(folded), n=1, cutoff=_CUTOFF)
    return folded[close[0]] if close else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as `; did you mean 'lane'?`, or nothing where no known word is near."""
    near = near_word(word, known)
    return f"; did you mean {near!r}?" if near else ""


def shown(value: Any) -> str:
    """A value for an error message, cut to a readable length."""
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def told(messages: Sequence[str]) -> str:
    """Messages line by line, as many as a person reads; the rest is counted."""
    lines = list(messages[:MOST_TOLD])
    if len(messages) > MOST_TOLD:
        lines.append(f"and {len(messages) - MOST_TOLD} more")
    return "\n".join(lines)


def parts(message: str) -> Said:
    """The parts of a message that says `place: wanted …, got …`; one that does not is all found, nothing wanted."""
    found = _MESSAGE.fullmatch(message)
    if found is None:
        return Said(place="", wanted="", got=message)
    hint = _HINT.search(found["got"])
    place, wanted, got = found["place"] or "", found["wanted"], found["got"]
    if hint is None:
        return Said(place=place, wanted=wanted, got=got)
    return Said(place=place, wanted=wanted, got=got[: hint.start()], did_you_mean=hint["word"])


def _folded(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")
