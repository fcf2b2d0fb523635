"""High-resolution events of traffic signal controllers (Indiana enumerations) in Parquet, as signal observations.

Columns: TimeStamp (local time, 0.1 s), DeviceId, EventId, Parameter (“Indiana Traffic Signal Hi Resolution Data Logger
Enumerations”, doi:10.5703/1288284316998). A row says what all lamps of a controller show from its time on; one is made
for every moment at which a lamp or the mode changes, and on wish repeated while nothing changes.

- Lamps, by phase: 1 green, 8 yellow, 9-12 red (an inactive phase shows red); by overlap: 61, 62 green, 63 yellow, 64,
  65 red, 66 dark. A movement that several phases serve shows the most permissive of them.
- Mode: `dark` from power failure (182) to power restored (184); `fault` while the unit flash status (173, as NTCIP 1202
  unitFlashStatus) says fault monitor or MMU; `flashing` while it says another flash, or while the pattern (131) is 255;
  `preemption` from entry (105) to exit (111); `manual` while manual control is enabled (178); else `auto`.
- In `dark` all lamps are off, in `fault` and `flashing` all are flashing. Before its first event a lamp is absent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from city_brain.errors import RecordingError
from city_brain.observations.columns import (
    LAMP_COLUMNS,
    Common,
    Detections,
    Observations,
    Reports,
    Sensors,
    Signals,
)
from city_brain.observations.vocabulary import LAMPS_AS_SENT, MOVEMENTS, SIDES, Kind
from city_brain.types import Codes, Ints

Movements: TypeAlias = tuple[str, tuple[str, ...]]
"""A side (the arm of the junction, by its direction from the centre) and the movements from it."""

NEMA_PHASES: Final[Mapping[int, Movements]] = {
    1: ("E", ("left",)),
    2: ("W", ("through", "right")),
    3: ("S", ("left",)),
    4: ("N", ("through", "right")),
    5: ("W", ("left",)),
    6: ("E", ("through", "right")),
    7: ("N", ("left",)),
    8: ("S", ("through", "right")),
}
"""The usual eight phases where the main street runs east and west and phase 2 is eastbound: even phases are the through
movements in clockwise order, each odd one the left turn against the even one after it. Many junctions differ: look at
the timing plan and give your own."""

COLUMNS: Final = ("TimeStamp", "DeviceId", "EventId", "Parameter")
BATCH_ROWS: Final = 1 << 16

_BEFORE_ALL: Final = -(1 << 62)
_OFF, _FLASHING = LAMPS_AS_SENT.index("off"), LAMPS_AS_SENT.index("flashing")
_PERMISSIVENESS: Final = tuple(LAMPS_AS_SENT.index(colour) for colour in ("absent", "off", "red", "yellow", "green"))

_PHASE_LAMP: Final = {1: "green", 8: "yellow", 9: "red", 10: "red", 11: "red", 12: "red"}
_OVERLAP_LAMP: Final = {61: "green", 62: "green", 63: "yellow", 64: "red", 65: "red", 66: "off"}
_PREEMPT_BEGIN, _PREEMPT_END, _PATTERN, _FLASH_STATUS, _MANUAL, _POWER_FAILED, _POWER_BACK = (
    105, 111, 131, 173, 178, 182, 184,
)  # fmt: skip
_FLASH_PATTERN: Final = 255
_NOT_FLASHING, _FAULT_MONITOR, _MMU = 2, 5, 6

_ENDS_FIRST: Final = {code: rank for rank, code in enumerate((9, 10, 11, 12, 64, 65, 66, 8, 63, 1, 61, 62))}
"""Order of lamp events within one moment: a phase that ends and begins again has begun. Others keep their order."""


@dataclass(frozen=True, slots=True)
class Junction:
    """How to read one controller: the source it is on the map, and what its phases and overlaps serve."""

    source_id: str
    phases: Mapping[int, Movements] = field(default_factory=lambda: NEMA_PHASES)
    overlaps: Mapping[int, Movements] = field(default_factory=dict)


def read_signal_events(
    path: str | Path,
    junctions: Mapping[int, Junction],
    utc_offset_hours: float = 0.0,
    repeat_ms: int | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Observations]:
    """The states of the controllers in `junctions` (by DeviceId) in order of time, in blocks.

    `utc_offset_hours`: how far the file's clock is ahead of UTC. `repeat_ms`: how long a state stands before it is said
    again. `batch_rows`: events read at a time, which changes nothing but the blocks. The log knows no gateway, so a row
    arrives when it happened; sources keep their place on the map. A state is held until every controller has got as
    far, so a file that tells of one controller after another is held whole. Raises RecordingError where the file is no
    Parquet, lacks a column or a value, or goes back in time within a controller.
    """
    controllers = {device: _Controller(junction, repeat_ms) for device, junction in junctions.items()}
    shift_ms = round(utc_offset_hours * 3_600_000)
    held: list[_State] = []
    first_row = 1
    for time_ms, device, event, parameter in _batches(path, batch_rows):
        for number, controller in controllers.items():
            at = np.flatnonzero(np.isin(event, controller.codes) & (device == number))
            utc_ms = time_ms[at] - shift_ms
            back = np.flatnonzero(np.diff(utc_ms, prepend=controller.time_ms) < 0)
            if len(back):
                row = int(at[back[0]])
                raise RecordingError(
                    f"{path} row {first_row + row} column TimeStamp: wanted events of device {number} in order of "
                    f"time, got {np.datetime64(int(time_ms[row]), 'ms')} after a later one"
                )
            held += controller.read(zip(utc_ms.tolist(), event[at].tolist(), parameter[at].tolist(), strict=True))
        first_row += len(time_ms)
        known_ms = min((controller.time_ms for controller in controllers.values()), default=_BEFORE_ALL)
        yield from _observations([state for state in held if state.time_ms < known_ms])
        held = [state for state in held if state.time_ms >= known_ms]
    yield from _observations([*held, *(state for controller in controllers.values() for state in controller.shown())])


@dataclass(frozen=True, slots=True)
class _State:
    """What a controller shows from a moment on."""

    source_id: str
    seq: int
    time_ms: int
    mode: str
    lamps: Codes


class _Controller:
    """The state of one controller while its events pass."""

    codes: Final = (*_PHASE_LAMP, *_OVERLAP_LAMP, _PREEMPT_BEGIN, _PREEMPT_END, _PATTERN, _FLASH_STATUS, _MANUAL,
                    _POWER_FAILED, _POWER_BACK)  # fmt: skip

    def __init__(self, junction: Junction, repeat_ms: int | None) -> None:
        self.junction, self.repeat_ms = junction, repeat_ms
        self.colours: dict[tuple[bool, int], int] = {}
        self.preempts: set[int] = set()
        self.dark = self.manual = False
        self.pattern, self.flash_status = 0, _NOT_FLASHING
        self.served = {
            (overlap, number): _columns(movements)
            for overlap, table in ((False, junction.phases), (True, junction.overlaps))
            for number, movements in table.items()
        }
        self.last: _State | None = None
        self.time_ms = _BEFORE_ALL
        self.moment: list[tuple[int, int]] = []

    def read(self, events: Iterable[tuple[int, int, int]]) -> Iterator[_State]:
        """The states before the last moment of the events (time, code, parameter), which are in order of time: more of
        that moment may follow.
        """
        for time_ms, event, parameter in events:
            if time_ms > self.time_ms:
                yield from self.shown()
                yield from self._repeated(time_ms)
                self.time_ms = time_ms
            self.moment.append((event, parameter))

    def shown(self) -> Iterator[_State]:
        """The state that the events of the moment lead to, if it is another one."""
        for event, parameter in sorted(self.moment, key=lambda pair: _ENDS_FIRST.get(pair[0], -1)):
            self._take(event, parameter)
        if self.moment:
            yield from self._changed()
        self.moment = []

    def _take(self, event: int, parameter: int) -> None:
        if event in _PHASE_LAMP or event in _OVERLAP_LAMP:
            overlap = event in _OVERLAP_LAMP
            if (overlap, parameter) in self.served:
                lamp = (_OVERLAP_LAMP if overlap else _PHASE_LAMP)[event]
                self.colours[overlap, parameter] = LAMPS_AS_SENT.index(lamp)
        elif event == _PATTERN:
            self.pattern = parameter
        elif event == _FLASH_STATUS:
            self.flash_status = parameter
        elif event == _MANUAL:
            self.manual = parameter != 0
        elif event in (_POWER_FAILED, _POWER_BACK):
            self.dark = event == _POWER_FAILED
        elif event == _PREEMPT_BEGIN:
            self.preempts.add(parameter)
        elif event == _PREEMPT_END:
            self.preempts.discard(parameter)

    @property
    def mode(self) -> str:
        """The gravest of what holds now."""
        if self.dark:
            return "dark"
        if self.flash_status in (_FAULT_MONITOR, _MMU):
            return "fault"
        if self.flash_status != _NOT_FLASHING or self.pattern == _FLASH_PATTERN:
            return "flashing"
        if self.preempts:
            return "preemption"
        return "manual" if self.manual else "auto"

    def _lamps(self, mode: str) -> Codes:
        lamps = [0] * LAMP_COLUMNS
        for key, columns in self.served.items():
            for column in columns:
                if mode in ("dark", "fault", "flashing"):
                    lamps[column] = _OFF if mode == "dark" else _FLASHING
                else:
                    lamps[column] = max(lamps[column], self.colours.get(key, 0), key=_PERMISSIVENESS.index)
        return np.array(lamps, dtype=np.uint8)

    def _changed(self) -> Iterator[_State]:
        mode = self.mode
        lamps = self._lamps(mode)
        last = self.last
        if last is None or last.mode != mode or (last.lamps != lamps).any():
            self.last = _State(self.junction.source_id, last.seq + 1 if last else 0, self.time_ms, mode, lamps)
            yield self.last

    def _repeated(self, until_ms: int) -> Iterator[_State]:
        while self.last and self.repeat_ms and self.last.time_ms + self.repeat_ms < until_ms:
            last = self.last
            time_ms = last.time_ms + self.repeat_ms
            self.last = _State(last.source_id, last.seq + 1, time_ms, last.mode, last.lamps)
            yield self.last


def _columns(movements: Movements) -> tuple[int, ...]:
    """Where the lamps of a phase stand in the lamps column."""
    side, moves = movements
    return tuple(len(MOVEMENTS) * SIDES.index(side) + MOVEMENTS.index(move) for move in moves)


def devices(path: str | Path) -> tuple[int, ...]:
    """The controllers of which the file tells, ascending; raises RecordingError as `read_signal_events` does."""
    found: set[int] = set()
    for _, device, _, _ in _batches(path, BATCH_ROWS):
        found.update(np.unique(device).tolist())
    return tuple(sorted(found))


def _batches(path: str | Path, batch_rows: int) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Time in ms (n,) by the file's clock, device, event and parameter of the events, batch by batch."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as missing:
        raise RecordingError(f"{path}: wanted pyarrow to read Parquet (pip install 'city-brain[parquet]')") from missing
    first_row = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_rows, columns=list(COLUMNS)):
                columns: list[Any] = [batch.column(name) for name in COLUMNS]
                _check_complete(columns, path, first_row)
                first_row += batch.num_rows
                columns[0] = columns[0].cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
                yield tuple(column.cast(pa.int64()).to_numpy(zero_copy_only=False) for column in columns)
    except (OSError, KeyError, ValueError, pa.ArrowException) as wrong:
        raise RecordingError(f"{path}: wanted Parquet with the columns {', '.join(COLUMNS)}, got: {wrong}") from wrong


def _check_complete(columns: list[Any], path: str | Path, first_row: int) -> None:
    for name, column in zip(COLUMNS, columns, strict=True):
        if column.null_count:
            row = first_row + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise RecordingError(f"{path} row {row} column {name}: wanted a value, got nothing")


def _observations(states: list[_State]) -> Iterator[Observations]:
    """One block of the states, in order of time; none where there is no state."""
    if not states:
        return
    states = sorted(states, key=lambda state: (state.time_ms, state.source_id))
    strings = tuple(dict.fromkeys(text for state in states for text in (state.source_id, state.mode)))
    strings = (*strings, "signal_controller")
    n = len(states)
    time_ms = np.array([state.time_ms for state in states], dtype=np.int64)
    common = Common.absent(
        n,
        kind=np.full(n, Kind.SIGNAL, dtype=np.uint8),
        source=np.array([strings.index(state.source_id) for state in states], dtype=np.int32),
        source_kind=np.full(n, len(strings) - 1, dtype=np.int32),
        seq=np.array([state.seq for state in states], dtype=np.int64),
        event_ms=time_ms,
        arrival_ms=time_ms,
    )
    signals = Signals.absent(
        n,
        mode=np.array([strings.index(state.mode) for state in states], dtype=np.int32),
        lamps=np.array([state.lamps for state in states], dtype=np.uint8),
    )
    yield Observations(strings, common, Detections.absent(0), signals, Sensors.absent(0), Reports.absent(0))
