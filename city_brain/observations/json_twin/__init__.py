"""The JSON twin: one observation a line, to columns and back, total in both directions.

Whatever bytes come, `from_lines` returns: a line is a row, a mark, a warning, or rejected with one reason; it never
raises. What it keeps comes back from `to_lines` equal as JSON values, with these simplifications: a null option is an
absent one, a time written as RFC 3339 comes back as integer milliseconds, a side without movements is dropped, and keys
that are not ours are left out (and counted).

A mark (`{"kind": "mark", "arrival_time_ms": …}`) is a heartbeat of the raw partition: it says that time has passed.
A warning (`{"kind": "warning", "cap": "<alert …"}`) brings a message of CAP from others, unread.
"""

from city_brain.observations.json_twin.reading import LINE_BYTES_MAX, Parsed, ReadWarning, Rejected, from_lines
from city_brain.observations.json_twin.writing import mark_line, to_lines, warning_line

__all__ = ["LINE_BYTES_MAX", "Parsed", "ReadWarning", "Rejected", "from_lines", "mark_line", "to_lines", "warning_line"]
