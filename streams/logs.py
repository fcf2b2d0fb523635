"""What programs log: a JSON object a line on standard error, or text for people; no secret, and no storm.

Clients of Kafka tell every attempt of theirs: an outage writes thousands of lines a second. So what libraries say is
told once, and from then on counted.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

COUNT_EVERY_S: Final = 10.0
"""How often what libraries repeat is counted."""
KINDS_MAX: Final = 200
"""So many kinds are told apart; what comes beyond is one kind."""
OURS: Final = "city_brain"
PLACE: Final = ("topic", "partition", "offset")
"""Keys of `extra` that stand in a line of their own right."""
_NUMBERS = re.compile(r"\d+")


class LogForm(StrEnum):
    """How lines look."""

    JSON = "json"
    TEXT = "text"


class Lines(logging.Formatter):
    """One line a record: who, when, what, where. `hide` replaces secrets, wherever they stand."""

    def __init__(self, program: str, slot: str, form: LogForm) -> None:
        super().__init__()
        self._program, self._slot, self._form = program, slot, form
        self._secrets: list[str] = []

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on none of these is written."""
        self._secrets.extend(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line feed."""
        told = self._told(record)
        if self._form is LogForm.JSON:
            return json.dumps(told, ensure_ascii=False)
        who = f"{told['program']}-{told['slot']}" if told["slot"] else told["program"]
        place = " ".join(f"{name}={told[name]}" for name in PLACE if name in told)
        line = f"{told['time']} {told['level']} {who} {told['message']}" + (f" [{place}]" if place else "")
        return f"{line}\n{told['error']}" if "error" in told else line

    def _told(self, record: logging.LogRecord) -> dict[str, Any]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "program": self._program,
            "slot": self._slot,
            "message": self._clean(record.getMessage()),
        }
        told |= {name: getattr(record, name) for name in PLACE if hasattr(record, name)}
        if record.name != OURS:
            told["logger"] = record.name
        if record.exc_info:
            told["error"] = self._clean(self.formatException(record.exc_info))
        return told

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


@dataclass(slots=True)
class _Kind:
    sample: logging.LogRecord
    more: int = 0


class CalmHandler(logging.StreamHandler[TextIO]):
    """Writes all that is ours; of what libraries say the first of a kind, and then a count each `COUNT_EVERY_S`."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._kinds: dict[tuple[str, int, str], _Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, or counts it."""
        if record.name == OURS or self._is_new(record):
            super().emit(record)

    def _is_new(self, record: logging.LogRecord) -> bool:
        key = (record.name, record.levelno, _NUMBERS.sub("0", str(record.msg))[:80])
        if key not in self._kinds and len(self._kinds) >= KINDS_MAX:
            key = ("", 0, "")
        kind = self._kinds.get(key)
        if kind is None:
            self._kinds[key] = _Kind(record)
            return True
        kind.more += 1
        kind.sample = record
        return False

    def count(self) -> None:
        """Tells how often each kind came again since the last call; one that did not is new the next time."""
        self.acquire()
        try:
            self._kinds = {key: kind for key, kind in self._kinds.items() if kind.more}
            for kind in self._kinds.values():
                super().emit(_again(kind))
                kind.more = 0
        finally:
            self.release()

    def count_for_ever(self) -> None:
        """Counts in a thread of its own, which ends with the process."""
        ticking = threading.Event()

        def keep_counting() -> None:
            while not ticking.wait(COUNT_EVERY_S):
                self.count()

        threading.Thread(target=keep_counting, name="log counts", daemon=True).start()


def _again(kind: _Kind) -> logging.LogRecord:
    last = kind.sample
    text = f"{kind.more} more like this in {COUNT_EVERY_S:g} s: {last.getMessage()}"
    return logging.LogRecord(last.name, last.levelno, last.pathname, last.lineno, text, None, None)


def begin(program: str, slot: str, form: LogForm) -> Lines:
    """Sends all that is logged to standard error; the formatter, to be told of secrets."""
    lines, handler = Lines(program, slot, form), CalmHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)
    handler.count_for_ever()
    return lines
