"""What all tests share: the folder of shared data, and no silent skips.

A test that needs shared data asks for the fixture `shared` and skips where the folder is absent. That is the only skip
that CI accepts: with CI=true any other one fails the run, since a test that never runs proves nothing.
"""

import os
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from city_brain.pipeline import Engine

ROOT = Path(__file__).resolve().parent.parent
ABSENT = "shared data absent"

# No deadline, since other work may share the machine; in CI the same examples every time, so that red means a change.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True)
settings.load_profile("house")

_skips = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: CITY_BRAIN_SHARED, else `shared` beside the repository."""
    folder = Path(os.environ.get("CITY_BRAIN_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"{ABSENT}: wanted a folder {folder}, or another one named by CITY_BRAIN_SHARED")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Counts skips by reason, in the process that sees the reports of all tests.

    A shell starts what it runs in the background deaf to Ctrl-C, and so would be every program that a test interrupts.
    """
    Engine.skipped = ()  # a detector that raises ends a test, though not a city
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.stash[_skips] = Counter()
        config.pluginmanager.register(_SkipCounter(config.stash[_skips]))


class _SkipCounter:
    def __init__(self, skips: Counter[str]) -> None:
        self.skips = skips

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            where_why = report.longrepr
            reason = where_why[2] if isinstance(where_why, tuple) else str(where_why)
            self.skips[reason.removeprefix("Skipped: ")] += 1


def unaccepted(skips: Counter[str]) -> list[str]:
    """The reasons that CI does not accept, in order of their words."""
    return sorted(reason for reason in skips if not reason.startswith(ABSENT))


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Fails a CI run in which a test was skipped for another reason than absent shared data."""
    yield
    skips = session.config.stash.get(_skips, Counter())
    if os.environ.get("CI") == "true" and unaccepted(skips) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints each reason for skipping once, with its count."""
    skips = config.stash.get(_skips, Counter())
    for reason, count in sorted(skips.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
    if os.environ.get("CI") == "true":
        for reason in unaccepted(skips):
            terminalreporter.write_line(f"skip not accepted in CI: wanted “{ABSENT}: …”, got “{reason}”", red=True)
