"""Rows as requests to a running city, each row with the number of its line."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from city_brain.observations.columns import Observations
    from city_brain.observations.json_twin import Parsed
    from city_brain.servers.client.publishing.publisher import Request

REQUEST_BYTES: Final = 1 << 19
"""Rows that weigh more, by long texts, are split: half of what a city takes unasked."""


def requests_of(
    blocks: "Iterable[Parsed]", rows: int, read: "Callable[[Parsed], None]", *, envelopes: bool
) -> "Iterator[Request]":
    """What blocks hold, at most so many `rows` to a request; `read` hears of each block before. Without marks."""
    from city_brain.servers.client.publishing.publisher import Request

    numbers = count(1)
    for parsed in blocks:
        read(parsed)
        for warning in parsed.warnings:
            yield Request(
                number=next(numbers), value=warning.data, is_envelope=False, is_warning=True, lines=(warning.line,)
            )
        lines, n = parsed.line.tolist(), parsed.observations.n
        for start in range(0, n, rows):
            for first, last, value in _values(parsed.observations, start, min(start + rows, n), envelopes):
                yield Request(number=next(numbers), value=value, is_envelope=envelopes, lines=tuple(lines[first:last]))


def _values(rows: "Observations", first: int, last: int, envelopes: bool) -> Iterator[tuple[int, int, bytes]]:
    """The rows from `first` to before `last` in one request, or in several where one would be too large."""
    import numpy as np

    from city_brain.observations.envelope import to_envelope
    from city_brain.observations.json_twin import to_lines

    part = rows.take(np.arange(first, last))
    value = to_envelope(part) if envelopes else b"\n".join(to_lines(part))
    if len(value) <= REQUEST_BYTES or last - first == 1:
        yield first, last, value
        return
    half = (first + last) // 2
    yield from _values(rows, first, half, envelopes)
    yield from _values(rows, half, last, envelopes)
