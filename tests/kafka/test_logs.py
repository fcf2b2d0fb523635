"""What programs log: lines that machines read, without secrets, and no storm however bad an outage is."""

import io
import json
import logging

import pytest

from streams.logs import OURS, CalmHandler, Lines, LogForm


def _logger(form: LogForm) -> tuple[logging.Logger, CalmHandler, Lines, io.StringIO]:
    """A tree of loggers of its own, which writes to a text."""
    text = io.StringIO()
    handler, lines = CalmHandler(text), Lines("fuse", "a", form)
    handler.setFormatter(lines)
    root = logging.Logger("aiokafka")
    root.addHandler(handler)
    return root, handler, lines, text


def _ours(handler: CalmHandler) -> logging.Logger:
    logger = logging.Logger(OURS)
    logger.addHandler(handler)
    return logger


def test_a_line_says_who_when_what_and_where() -> None:
    """A line of JSON has the time in UTC, and topic, partition and offset where they belong to it."""
    _, handler, _, text = _logger(LogForm.JSON)
    _ours(handler).warning("read %d", 7, extra={"topic": "observations", "partition": 3, "offset": 9})
    told = json.loads(text.getvalue())
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning", "program": "fuse", "slot": "a", "message": "read 7",
        "topic": "observations", "partition": 3, "offset": 9,
    }  # fmt: skip


def test_people_get_text_instead() -> None:
    """The same as one line of words."""
    _, handler, _, text = _logger(LogForm.TEXT)
    _ours(handler).info("resumes", extra={"topic": "observations", "partition": 3, "offset": 9})
    assert text.getvalue().endswith("Z info fuse-a resumes [topic=observations partition=3 offset=9]\n")


@pytest.mark.parametrize("form", list(LogForm))
def test_no_secret_is_written_wherever_it_stands(form: LogForm) -> None:
    """Neither in a message nor in the error beside it, also where JSON would write it in other characters."""
    logger, handler, lines, text = _logger(form)
    secret = 'open "sesame"'  # noqa: S105 - opens nothing
    lines.hide([secret])
    try:
        raise ValueError(f"refused {secret}")
    except ValueError:
        logger.exception("SASL with %s failed", secret)
    _ours(handler).error("as %s", {"password": secret})
    assert "sesame" not in text.getvalue()
    assert text.getvalue().count("***") >= 3


def test_a_storm_of_a_library_is_counted() -> None:
    """Of 10,000 lines of two kinds the first of each is told, then how many more; what stopped is new again."""
    logger, handler, _, text = _logger(LogForm.TEXT)
    for node in range(5_000):
        logger.error("Unable connect to node with id %s", node)
        logger.warning(f"node {node} left")
    assert text.getvalue().count("\n") == 2
    handler.count()
    assert "4999 more like this in 10 s: Unable connect to node with id 4999" in text.getvalue()
    assert text.getvalue().count("\n") == 4
    handler.count()
    handler.count()
    assert text.getvalue().count("\n") == 4
    logger.error("Unable connect to node with id %s", 1)
    assert text.getvalue().count("\n") == 5


def test_a_thousand_kinds_fill_neither_disk_nor_memory() -> None:
    """Libraries that never say the same twice are one kind, beyond so many."""
    logger, handler, _, text = _logger(LogForm.TEXT)
    for number in range(10_000):
        logger.error("kind " + "a" * (number % 60) + "b" * (number % 61))
    assert text.getvalue().count("\n") <= 201
    assert handler is logger.handlers[0]


def test_what_we_say_ourselves_is_all_told() -> None:
    """Ours is never counted away."""
    _, handler, _, text = _logger(LogForm.TEXT)
    for _ in range(50):
        _ours(handler).info("resumes")
    assert text.getvalue().count("\n") == 50
