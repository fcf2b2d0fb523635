"""Pages: complete, without repetition, stable while the city goes on, and with honest tokens."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.pages import page
from city_brain.feeds.refusals import Reason, RefusedError
from tests.feeds.builders import a_filter, a_heartbeat, a_log, an_incident


def ids(log: ChangeLog, wanted: IncidentFilter, size: int, changes: bool = False) -> list[list[str]]:
    """The incident ids page by page; `changes`: between pages the oldest incident changes and a new one opens."""
    pages, token = [], ""
    while True:
        got = page(log, wanted, size, token)
        pages.append([incident.incident_id for incident in got.incidents])
        token = got.next_tokens[-1] if got.next_tokens else ""
        if not token:
            return pages
        if changes:
            tick = (log.last_tick or 0) + 1
            oldest = log.get("i0").incident
            fresh = [an_incident("i0", oldest.revision + 1), an_incident(f"new{tick}")]
            log.append(tick, fresh, a_heartbeat(tick))


@given(st.integers(0, 30), st.integers(1, 10), st.booleans())
def test_pages_hold_everything_once(count: int, size: int, changes: bool) -> None:
    """In the order of opening, the last first, whatever happens between the pages."""
    log = a_log([an_incident(f"i{k}") for k in range(count)])
    pages = ids(log, a_filter(), size, changes)
    assert [incident_id for one in pages for incident_id in one] == [f"i{k}" for k in reversed(range(count))]
    assert all(len(one) == size for one in pages[:-1])


def test_sizes_are_bounded() -> None:
    """No size means 50, a large one 500, a negative one is refused."""
    log = a_log([an_incident(f"i{k}") for k in range(600)])
    assert len(page(log, a_filter()).incidents) == 50
    assert len(page(log, a_filter(), 10_000).incidents) == 500
    with pytest.raises(RefusedError, match="page_size: wanted 0 to 500, got -1"):
        page(log, a_filter(), -1)


def test_a_page_is_filtered() -> None:
    """Only what matches fills a page."""
    log = a_log([an_incident(f"i{k}", type="fire" if k % 3 else "crash") for k in range(9)])
    assert ids(log, a_filter(types=("crash",)), 2) == [["i6", "i3"], ["i0"]]


def test_a_token_that_is_not_of_this_list_is_refused() -> None:
    """Made up, cut short, of another filter or of another feed."""
    log = a_log([an_incident(f"i{k}") for k in range(9)])
    token = page(log, a_filter(), 2).next_tokens[-1]
    other = ChangeLog(feed_id="jinan-2")
    other.append(0, [an_incident("a"), an_incident("b")], a_heartbeat())
    foreign = page(other, a_filter(), 1).next_tokens[-1]
    wrong = ["x", "\u4e2d", token[:-4], foreign, base64.urlsafe_b64encode(b"\x93\x01\x02\x03").decode()]
    for text in wrong:
        with pytest.raises(RefusedError, match="page_token: wanted") as refused:
            page(log, a_filter(), 2, text)
        assert refused.value.reason is Reason.BAD_PAGE_TOKEN
    with pytest.raises(RefusedError, match="wanted the filter of the page before"):
        page(log, a_filter(types=("crash",)), 2, token)
