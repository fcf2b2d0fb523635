"""Observations before anything runs: lines that are none, rows that the door would refuse, copies, and what is odd."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from city_brain.cli.checking.verdict import Verdict
from city_brain.cli.common import Progress, plural
from city_brain.errors import CapError, RecordingError
from city_brain.formats.cap.reading import read_alert
from city_brain.observations.admission import admit
from city_brain.observations.admission.describing import faults_of
from city_brain.observations.json_twin import Parsed
from city_brain.observations.json_twin.describing import fault_of
from city_brain.observations.json_twin.lines import KEYS, PAYLOAD_KEYS
from city_brain.observations.vocabulary import CATEGORY_CODES, CLASS_CODES, MODE_CODES
from city_brain.sources.recording import read_blocks
from city_brain.ticks.duplicates import row_identity
from city_brain.types import Column
from city_brain.wording.nearest import nearest

if TYPE_CHECKING:
    from city_brain.observations.admission import AdmissionTable

_OUR_KEYS = sorted(set().union(*KEYS.values()))
_OUR_PAYLOAD_KEYS = sorted(f"payload.{key}" for key in set().union(*PAYLOAD_KEYS.values()))
_MILLENNIUM_MS = 946_684_800_000
"""Rows of an earlier time are of no city that this program saw."""


class _Counts:
    """Where every line would end. Memory: 8 bytes a row, to know copies by."""

    def __init__(self) -> None:
        self.rows = self.marks = self.warnings = 0
        self.dead: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.identities: list[Column] = []
        self.strange_sources: Counter[str] = Counter()

    @property
    def copies(self) -> int:
        """Rows that repeat another one: same source, sequence and event time."""
        identities = np.concatenate([*self.identities, np.empty(0, np.uint64)])
        return len(identities) - len(np.unique(identities))

    @property
    def read(self) -> int:
        """Every line that stands for a row."""
        return self.rows + sum(self.dead.values())


def check_observations(name: str, table: "AdmissionTable | None", most: int) -> Verdict:
    """The verdict on a recording; without the `table` of a map only its lines are looked at."""
    verdict, counts = Verdict(name, "observations", most), _Counts()
    progress = Progress("check")
    try:
        for parsed in read_blocks(name):
            _lines(parsed, name, verdict, counts)
            if table is not None:
                _door(parsed, name, table, verdict, counts)
            progress.show(plural(counts.read, "row"))
    except RecordingError as wrong:
        verdict.count(str(wrong))
    finally:
        progress.done()
    for source, rows in counts.strange_sources.most_common():
        near = nearest(source, table.index) if table is not None else ""
        verdict.note(f"{name}: source_id: {source!r} is not on the map, {plural(rows, 'row')}{near}")
    _sum_up(verdict, counts, table is not None)
    return verdict


def _lines(parsed: Parsed, name: str, verdict: Verdict, counts: _Counts) -> None:
    counts.rows += parsed.observations.n
    counts.marks += len(parsed.marks)
    counts.warnings += len(parsed.warnings)
    for rejected in parsed.rejected:
        counts.dead[rejected.reason.value] += 1
        told = len(verdict.faults) < verdict.most
        verdict.count(f"{name}, {fault_of(rejected)}" if told else None)
    for warning in parsed.warnings:
        try:
            read_alert(warning.cap, f"{name}, line {warning.line}: cap")
        except CapError as wrong:
            verdict.count(str(wrong))
    for key in parsed.unknown_names:
        near = nearest(key, _OUR_PAYLOAD_KEYS if key.startswith("payload.") else _OUR_KEYS)
        verdict.note(f"{name}: {key!r} is no key of ours and is left out{near}")


def _door(parsed: Parsed, name: str, table: "AdmissionTable", verdict: Verdict, counts: _Counts) -> None:
    """What admission says of the rows of a block, in which a line stands for the offset in the log."""
    observations = parsed.observations
    rows, refused = admit(observations, 0, parsed.line, table)
    for reason, times in refused.counts().items():
        counts.quarantined[reason] += times
    left = max(verdict.most - len(verdict.faults), 0)
    verdict.refuse(f"{name}, {fault}" for fault in faults_of(observations, refused, parsed.line, table, left))
    verdict.count(times=max(len(refused.row) - left, 0))
    counts.identities.append(row_identity(rows))
    believed = np.delete(observations.common.source, refused.row)
    for code, times in zip(*(part.tolist() for part in np.unique(believed, return_counts=True)), strict=True):
        if observations.strings[code] not in table.index:
            counts.strange_sources[observations.strings[code]] += times
    _odd(parsed, name, verdict)


def _odd(parsed: Parsed, name: str, verdict: Verdict) -> None:
    """What is taken, but hardly meant: words that count as `other`, times before the year 2000."""
    observations, strings = parsed.observations, parsed.observations.strings
    for what, column, known in (
        ("payload.class", observations.detections.class_name, CLASS_CODES),
        ("payload.mode", observations.signals.mode, MODE_CODES),
        ("payload.category", observations.reports.category, CATEGORY_CODES),
    ):
        for word in (strings[code] for code in np.unique(column[column >= 0]).tolist()):
            if word not in known:
                verdict.note(f"{name}: {what}: {word!r} is not known and counts as 'other'{nearest(word, known)}")
    event_ms = observations.common.event_ms
    early = np.flatnonzero((event_ms < _MILLENNIUM_MS) & (observations.common.arrival_ms < 0))
    if len(early):
        line, value = int(parsed.line[early[0]]), int(event_ms[early[0]])
        verdict.note(f"{name}, line {line}: event_time_ms: {value} is before the year 2000; these look like seconds")


def _sum_up(verdict: Verdict, counts: _Counts, at_the_door: bool) -> None:
    dead, quarantined = sum(counts.dead.values()), sum(counts.quarantined.values())
    verdict.counts = {
        "rows": counts.read, "marks": counts.marks, "warnings": counts.warnings,
        "dead_lettered": dict(sorted(counts.dead.items())),
    }  # fmt: skip
    said = [f"{dead} dead-lettered{_reasons(counts.dead)}"]
    if at_the_door:
        copies = counts.copies
        used = counts.rows - quarantined - copies
        quarantine = dict(sorted(counts.quarantined.items()))
        verdict.counts |= {"used": used, "duplicate": copies, "quarantined": quarantine}
        said = [f"{copies} duplicate", f"{quarantined} quarantined{_reasons(counts.quarantined)}", *said]
        head = f"{used} of {plural(counts.read, 'row')} would be used"
    else:
        head = f"{counts.rows} of {plural(counts.read, 'row')} can be read"
    others = f"; {plural(counts.marks, 'mark')}" if counts.marks else ""
    others += f"; {plural(counts.warnings, 'warning')}" if counts.warnings else ""
    verdict.summary = f"{head}: {', '.join(said)}{others}"
    if not at_the_door:
        verdict.summary += "; what the door refuses is known with --map or --site"


def _reasons(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{reason} {n}' for reason, n in sorted(counts.items()))})" if counts else ""
