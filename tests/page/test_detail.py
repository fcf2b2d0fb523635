"""The detail of made-up incidents: limits in curves, what spoke against it before, what is not known yet, banners."""

from pathlib import Path

import msgspec
import pytest

from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import Words
from city_brain.page import document as page
from city_brain.page.html import report
from tests.page.browser import Browser, Seen
from tests.page.invented import START_MS, a_document, an_incident, changed

LIMIT = 70.0


def revisions() -> tuple[Incident, ...]:
    """Two of one incident: something that spoke against it in the first is gone in the second."""
    first = an_incident(6, (100.0, 100.0))
    against = first.evidence[2]
    loud = msgspec.structs.replace(
        first.evidence[0], sources=("noise-0",), note={"limit": LIMIT, "unit": "dB", "lasts_s": 9.0}
    )
    first = msgspec.structs.replace(first, evidence=(loud, against))
    second = msgspec.structs.replace(
        first, revision=2, updated_ms=first.updated_ms + 20_000, evidence=(loud,), state="active"
    )
    return first, second


@pytest.fixture(scope="module")
def seen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A page with one such incident among others, open."""
    said = revisions()
    curve = page.Curve(
        of="noise-0", what="noise", unit="dB", first_ms=START_MS, times_ms=tuple(range(0, 60_000, 1000)),
        values=tuple(60.0 + k % 7 for k in range(60)), usual=(61.0,) * 60, spread=1.5,
    )  # fmt: skip
    rain = msgspec.structs.replace(curve, what="rain", unit="mm/h", usual=(), spread=0.0)
    base = a_document(5)
    told = page.Told(revisions=said, total=7, text=Words(zh="说明", en="as told"))
    document = changed(base, incidents=(told, *base.incidents[:4]), curves={said[0].incident_id: (curve, rain)})
    path = tmp_path_factory.mktemp("detail") / "page.html"
    path.write_text(report(document), encoding="utf-8")
    opened = browser.open(path)
    opened.run("(id) => page.choose(id)", said[0].incident_id)
    return opened


def test_the_limit_stands_in_the_curve_of_its_unit(seen: Seen) -> None:
    """A limit that the evidence names is a line where its quantity was read, and what is usual a band."""
    charts = seen.page.locator("#detail figure")
    assert charts.count() == 2
    assert f"limit {LIMIT:.0f}" in charts.nth(0).inner_text()
    assert (charts.nth(0).locator(".band").count(), charts.nth(1).locator(".band").count()) == (1, 0)
    assert charts.nth(1).locator(".limit").count() == 0


def test_what_spoke_against_it_before_is_told(seen: Seen) -> None:
    """With the time at which it did; and how many revisions there were that are not shown."""
    first, _ = revisions()
    told = seen.text("#detail section[aria-labelledby=h-elsewhen]")
    assert f"−{abs(first.evidence[1].weight):.2f}" in told
    assert "2 of 7 revisions" in seen.text("#detail section[aria-labelledby=h-believed]")


def test_a_time_in_the_timeline_leads_there(seen: Seen) -> None:
    """A click on a revision shows the world of its time, in the list and in the detail."""
    first, second = revisions()
    seen.page.locator(".timeline li").last.locator("button").click()
    assert seen.run("page.time.time") == first.updated_ms
    assert "not the newest" in seen.text("#detail .notice")
    assert seen.run("(id) => page.rows.find((row) => row.id === id).said.revision", first.incident_id) == 1
    seen.run("(at) => page.time.set(at)", first.updated_ms - 5000)
    assert "nothing was known of it" in seen.text("#detail .notice")
    seen.page.click("#to-end")
    assert seen.page.locator("#detail .notice").count() == 0
    assert second.revision == seen.run(
        "(id) => page.rows.find((row) => row.id === id).said.revision", first.incident_id
    )


def test_a_camera_is_blind_from_when_that_was_known(seen: Seen) -> None:
    """Before, nobody knew; the head counts it and the map hatches what it saw."""
    seen.run("(at) => page.time.set(at)", START_MS + 30_000)
    assert seen.run("page.map.blind.size") == 0
    seen.run("page.time.end()")
    assert seen.run("[...page.map.blind.keys()]") == ["cam-0003"]
    assert "1 blind" in seen.text("#signs")


def test_readiness_stands_in_a_banner(seen: Seen) -> None:
    """What others warn of, its level, place and end; as text, whatever they write."""
    seen.run(
        """(until) => {
            page.world.readiness = [{ area_code: '1', name: '<b>Old town</b>', level: 'II', event: 'Rainstorm',
                headline: '', sender: 'weather', until_ms: until }];
            page.show();
        }""",
        START_MS,
    )
    assert seen.text("#banners").split() == [
        "Readiness",
        "II",
        "<b>Old",
        "town</b>",
        ":",
        "Rainstorm",
        "·",
        "weather",
        "·",
        "until",
        "08:00:00",
    ]
    seen.run("page.world.readiness = []; page.show()")
    assert seen.text("#banners") == ""


def test_any_name_of_the_file_will_do(browser: Browser, tmp_path: Path) -> None:
    """The file works under any name, with spaces and Chinese in its path."""
    path = tmp_path / "报告 #1 (copy).html"
    path.write_text(report(a_document(2)), encoding="utf-8")
    again = browser.open(path)
    assert len(again.rows()) == 2
    assert again.wrong == []
    again.page.close()
