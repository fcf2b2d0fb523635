"""Rows that say no time of their event are given one: what a person types is meant now. Slow, and for few lines."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from city_brain.observations.json_twin.reading import Parsed, Rejected, from_lines
from city_brain.observations.json_twin.writing import to_lines
from city_brain.observations.vocabulary import DeadLetter


def dated(parsed: Parsed, now_ms: int) -> Parsed:
    """The same lines, those that were rejected for want of a time read with `now_ms`, epoch ms."""
    timed = {one.line: row for one in parsed.rejected if (row := _with_time(one, now_ms)) is not None}
    if not timed:
        return parsed
    lines = dict(zip(parsed.line.tolist(), to_lines(parsed.observations), strict=True)) | timed
    numbers = np.array(sorted(lines), dtype=np.int64)
    read = from_lines([lines[number] for number in numbers.tolist()])
    rejected = [one for one in parsed.rejected if one.line not in timed]
    rejected += [replace(one, line=int(numbers[one.line])) for one in read.rejected]
    line = numbers[read.line]
    marks = parsed.marks.copy()
    marks[:, 0] = np.searchsorted(line, parsed.mark_line)
    return replace(
        parsed,
        observations=read.observations,
        line=line,
        rejected=tuple(sorted(rejected, key=lambda one: one.line)),
        marks=marks,
        unknown_keys=parsed.unknown_keys + read.unknown_keys,
        warnings=tuple(
            replace(warning, rows_before=int(np.searchsorted(line, warning.line))) for warning in parsed.warnings
        ),
    )


def _with_time(rejected: Rejected, now_ms: int) -> bytes | None:
    """The line with a time, None where it lacks something else or says a time that is none."""
    if rejected.reason != DeadLetter.TIME:
        return None
    row: dict[str, Any] = msgspec.json.decode(rejected.data)
    if row.get("event_time_ms") is not None:
        return None
    return msgspec.json.encode({**row, "event_time_ms": now_ms})
