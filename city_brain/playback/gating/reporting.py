"""The report of the gate for people, as Markdown."""

from collections.abc import Callable

from city_brain.playback.gating.judging import Change, Judged, Kind

_HEADS = (
    "type", "before", "after", "gained", "lost", "moved", "alarms/h before", "alarms/h after", "latest s",
    "recall before", "recall after", "false before", "false after",
)  # fmt: skip


def markdown(judged: Judged, instant: Callable[[float], str]) -> str:
    """The whole report; `instant` writes times in epoch ms."""
    verdict = "blocked" if judged.blocked else "may pass"
    lines = [f"# Back-test: {verdict}", ""]
    lines += [f"- {_plain(what)}" for what in judged.blocked]
    lines += [""] if judged.blocked else []
    lines += [f"Recordings, {judged.hours:.3f} h in all: {_plain(', '.join(judged.recordings))}", ""]
    lines += [_row(_HEADS), _row(["---"] * len(_HEADS)), _figures("all", judged.whole)]
    lines += [_figures(name, kind) for name, kind in judged.types.items()]
    lines += ["", "## What changes", ""]
    lines += [f"- {_plain(_change(change, instant))}" for change in judged.changes] or ["Nothing."]
    return "\n".join(lines) + "\n"


def _figures(name: str, kind: Kind) -> str:
    values = [getattr(kind, field) for field in kind.__struct_fields__]
    return _row([_plain(name), *("–" if value is None else f"{value:g}" for value in values)])


def _change(change: Change, instant: Callable[[float], str]) -> str:
    which = " → ".join(filter(None, (change.before, change.after)))
    told = f"{change.what}: {change.type} {which}, {instant(change.announced_ms)}, {change.recording}"
    if change.what == "moved":
        levels = f", level {change.level_before} → {change.level_after}"
        told += f": {change.later_s:+g} s, {change.apart_m:g} m"
        told += levels if change.level_before != change.level_after else ""
    return told


def _row(cells: "tuple[str, ...] | list[str]") -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return "".join("\\" + char if char in "\\`*_[]<>|#" else char for char in text)
