"""What is said of the feed: a row for each case, and the storm."""

from collections.abc import Sequence

from tests.benchmarks.feed.case import Measured, Stalled, Storm

HEAD = (
    *("readers", "stalled", "changes per second", "appends per second", "s", "each matches", "deliveries per second"),
    *("ms median", "ms 99 %", "ms most", "missing", "server, cores", "µs per message", "MB", "readers, cores", "load"),
)
STORM_HEAD = ("readers back at once", "changes behind", "s until all are caught up", "s median", "missing", "load")
WANTED_P99_MS = 250.0
"""Of 1,000 readers at 60 changes a second, by the server's one core."""
STALLED_SHARE = 0.2
"""By so much, others may wait longer because of readers that do not read."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(found: Measured) -> list[str]:
    """The figures of a case."""
    case, server = found.case, found.server
    return [
        f"{case.readers:,}",
        f"{case.stalled}",
        f"{case.changes_per_second}",
        f"{case.appends_per_second}",
        f"{case.seconds}",
        f"{found.share:.1%}",
        f"{found.deliveries / server.wall_s:,.0f}",
        f"{found.p50_ms:.0f}",
        f"{found.p99_ms:.0f}",
        f"{found.most_ms:.0f}",
        f"{found.missing}",
        f"{server.cpu_s / server.wall_s:.2f}",
        f"{1e6 * server.cpu_s / max(1, found.messages):.0f}",
        f"{server.peak_mb:.0f}",
        f"{found.readers_cpu_s / server.wall_s:.2f}",
        f"{found.load:.1f}",
    ]


def storm_row(found: Storm) -> list[str]:
    """The figures of a storm."""
    return [
        f"{found.readers}",
        f"{found.behind}",
        f"{found.caught_up_s:.2f}",
        f"{found.median_s:.2f}",
        f"{found.missing}",
        f"{found.load:.1f}",
    ]


def says(found: Sequence[Measured]) -> list[str]:
    """In sentences: what was wanted, and what became of those that stalled."""
    lines = []
    for one in found:
        case = one.case
        if not case.stalled and case.readers >= 1_000 and case.changes_per_second >= 60:
            reached = "reached" if one.p99_ms <= WANTED_P99_MS else "not reached"
            lines.append(
                f"{case.readers:,} readers at {case.changes_per_second} changes a second: wanted at most "
                f"{WANTED_P99_MS:g} ms at 99 %, got {one.p99_ms:.0f} ms: {reached}."
            )
        if one.stalled is not None:
            lines.append(_stalled_says(one, one.stalled, _without(one, found)))
    return lines


def _stalled_says(one: Measured, became: Stalled, without: Measured | None) -> str:
    case = one.case
    told = (
        f"{case.stalled} of {case.readers + case.stalled} readers stopped reading: {became.cut} were cut with "
        f"READER_TOO_SLOW, {became.resumed} caught up again, {became.missing} changes are missing"
    )
    if without is None:
        return f"{told}."
    more = one.p99_ms / without.p99_ms - 1.0
    within = "within" if more <= STALLED_SHARE else "not within"
    return f"{told}; the others wait {more:+.0%} at 99 %, {within} the {STALLED_SHARE:.0%} wanted."


def _without(one: Measured, found: Sequence[Measured]) -> Measured | None:
    """The same case with nobody stalled."""

    def key(of: Measured) -> tuple[int, int, int]:
        return of.case.readers + of.case.stalled, of.case.changes_per_second, of.case.appends_per_second

    return next((other for other in found if not other.case.stalled and key(other) == key(one)), None)
