"""What a province told its cities, and what became of it: stored before it is sent, answered once.

waiting -> sent -> received -> done
                         \\--> refused
any of the first three -> expired, once its time is over
"""

import re
from collections.abc import Callable
from typing import Final

from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.province.books.plausible import TEXT_MAX, bounded
from city_brain.servers.codec.incidents import to_ms, to_timestamp
from city_brain.store.store import Store
from city_brain.wire.province.v1 import province_pb2

ROOM: Final = "instructions"
LISTED: Final = 500
"""Most instructions that one list shows."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WAITING = province_pb2.INSTRUCTION_PROGRESS_WAITING
_SENT = province_pb2.INSTRUCTION_PROGRESS_SENT
_RECEIVED = province_pb2.INSTRUCTION_PROGRESS_RECEIVED
_EXPIRED = province_pb2.INSTRUCTION_PROGRESS_EXPIRED
_ORDER = (_WAITING, _SENT, _RECEIVED)
"""States on the way, in order; all others are final."""
_ANSWERS = (_RECEIVED, province_pb2.INSTRUCTION_PROGRESS_DONE, province_pb2.INSTRUCTION_PROGRESS_REFUSED)


class Instructions:
    """The instructions of a province; `now_ms` is the clock of the wall, by which they are due. All calls block."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms

    def send(self, city: str, instruction: province_pb2.Instruction, issuer: str) -> province_pb2.InstructionState:
        """Stores an instruction to a city; the same again gives what became of it. Raises RefusedError."""
        _check(instruction)
        instruction_id = instruction.instruction_id
        with self._store.transaction() as work:
            records = work.records(ROOM)
            kept = records.get(instruction_id)
            if kept is not None:
                state = province_pb2.InstructionState.FromString(kept)
                if state.city_code != city or _content(state.instruction) != _content(instruction):
                    message = f"instruction {instruction_id}: wanted what it was given to before, got another content"
                    raise RefusedError(Reason.INSTRUCTION_CHANGED, message, "instruction")
                return self._as_of_now(state)
            now = to_timestamp(self._now_ms())
            state = province_pb2.InstructionState(city_code=city, progress=_WAITING, progress_time=now)
            state.instruction.CopyFrom(instruction)
            state.instruction.issuer = issuer
            state.instruction.issue_time.CopyFrom(state.progress_time)
            records.put(instruction_id, state.SerializeToString(deterministic=True))
            return state

    def get(self, instruction_id: str) -> province_pb2.InstructionState:
        """An instruction and where it is; raises RefusedError (NO_SUCH_INSTRUCTION)."""
        kept = self._store.records(ROOM).get(instruction_id)
        if kept is None:
            message = f"instruction {instruction_id!r}: this province has given none of that id"
            raise RefusedError(Reason.NO_SUCH_INSTRUCTION, message, "instruction_id")
        return self._as_of_now(province_pb2.InstructionState.FromString(kept))

    def all(self, city: str = "") -> list[province_pb2.InstructionState]:
        """Those of a city (of all, where none is named), the newest first."""
        states = map(province_pb2.InstructionState.FromString, self._store.records(ROOM).all().values())
        found = [self._as_of_now(state) for state in states if city in ("", state.city_code)]
        found.sort(key=lambda state: (-to_ms(state.instruction.issue_time), state.instruction.instruction_id))
        return found

    def due(self, city: str) -> list[province_pb2.Instruction]:
        """What a city is still to be told or to answer, in the order of issue; it counts as sent from now on."""
        found = [state for state in reversed(self.all(city)) if state.progress in _ORDER]
        for state in found:
            if state.progress == _WAITING:
                self._move(state, _SENT)
        return [state.instruction for state in found]

    def answered(self, city: str, answer: province_pb2.Answer) -> None:
        """Takes an answer. One of the same id and progress is there already; one to nothing of ours is dropped."""
        kept = self._store.records(ROOM).get(answer.instruction_id)
        state = province_pb2.InstructionState.FromString(kept) if kept is not None else None
        if state is None or state.city_code != city or answer.progress not in _ANSWERS:
            return
        if any(before.progress == answer.progress for before in state.answers):
            return
        state = self._as_of_now(state)
        state.answers.append(bounded(answer))
        if state.progress in _ORDER:
            state.progress = answer.progress
            state.progress_time.FromMilliseconds(self._now_ms())
        self._store.records(ROOM).put(answer.instruction_id, state.SerializeToString(deterministic=True))

    def forget(self, history_ms: int) -> None:
        """Forgets those that have ended and are older than the history."""
        before_ms = self._now_ms() - history_ms
        for state in self.all():
            if state.progress not in _ORDER and to_ms(state.progress_time) < before_ms:
                self._store.records(ROOM).remove(state.instruction.instruction_id)

    def _move(self, state: province_pb2.InstructionState, progress: int) -> None:
        state.progress = progress  # type: ignore[assignment]
        state.progress_time.FromMilliseconds(self._now_ms())
        value = state.SerializeToString(deterministic=True)
        self._store.records(ROOM).put(state.instruction.instruction_id, value)

    def _as_of_now(self, state: province_pb2.InstructionState) -> province_pb2.InstructionState:
        """The state with its time over, where it is; the same at every look, so it need not be written."""
        due_ms = _due_ms(state.instruction)
        if state.progress in _ORDER and due_ms is not None and due_ms <= self._now_ms():
            state.progress = _EXPIRED
            state.progress_time.FromMilliseconds(due_ms)
        return state


_LAST_S = 253_402_300_799
"""Of the year 9999, the last that a Timestamp may say, epoch seconds."""


def _due_ms(instruction: province_pb2.Instruction) -> int | None:
    if instruction.HasField("follow_up") and instruction.follow_up.HasField("due_time"):
        return to_ms(instruction.follow_up.due_time)
    if instruction.HasField("readiness") and instruction.readiness.HasField("until_time"):
        return to_ms(instruction.readiness.until_time)
    return None


def _content(instruction: province_pb2.Instruction) -> bytes:
    """What the issuer said, without who and when."""
    said = province_pb2.Instruction()
    said.CopyFrom(instruction)
    said.ClearField("issuer")
    said.ClearField("issue_time")
    return said.SerializeToString(deterministic=True)


def _check(instruction: province_pb2.Instruction) -> None:
    def bad(field: str, wanted: str, got: object) -> RefusedError:
        where = f"instruction.{field}"
        return RefusedError(Reason.BAD_REQUEST, f"{where}: wanted {wanted}, got {cut(repr(got))}", where)

    if not _ID.fullmatch(instruction.instruction_id):
        raise bad("instruction_id", "1 to 64 letters, digits, - and _", instruction.instruction_id)
    match instruction.WhichOneof("order"):
        case "follow_up":
            if not instruction.follow_up.incident_id:
                raise bad("follow_up.incident_id", "the id of an incident of the city", "")
            if len(instruction.follow_up.text) > TEXT_MAX:
                raise bad("follow_up.text", f"at most {TEXT_MAX} characters", len(instruction.follow_up.text))
            if not 0 <= instruction.follow_up.due_time.seconds <= _LAST_S:
                raise bad("follow_up.due_time", "a time of 1970 to 9999", instruction.follow_up.due_time.seconds)
        case "readiness":
            if not 0 <= instruction.readiness.until_time.seconds <= _LAST_S:
                raise bad("readiness.until_time", "a time of 1970 to 9999", instruction.readiness.until_time.seconds)
            if not instruction.readiness.level:
                raise bad("readiness.level", "a level", "none")
            if not instruction.readiness.HasField("until_time"):
                raise bad("readiness.until_time", "a time", "none")
            if len(instruction.readiness.text) > TEXT_MAX:
                raise bad("readiness.text", f"at most {TEXT_MAX} characters", len(instruction.readiness.text))
        case None:
            raise bad("order", "follow_up, query or readiness", "none")
