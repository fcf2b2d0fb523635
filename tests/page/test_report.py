"""The report in a real browser: it asks for nothing, says what the command line says, and does what one wants of it."""

import re
from collections import Counter

import pytest

from city_brain.cli.common import ZONE, instants
from city_brain.incidents.explain import explanation_text, headline, phrase, sum_of
from city_brain.incidents.incident_type import load_incident_types
from tests.page.browser import Browser, Seen
from tests.page.conftest import Reported

TYPES = load_incident_types()


@pytest.fixture(scope="module")
def seen(browser: Browser, reported: Reported) -> Seen:
    """The report, opened from disk."""
    return browser.open(reported.html)


@pytest.fixture(autouse=True)
def afresh(seen: Seen) -> None:
    """Every test begins with the same view."""
    seen.run("page.adopt(fromHash('lang=en&theme=dark'))")
    seen.run("page.time.end(); page.map.fit()")
    seen.settle()


def test_nothing_leaves_the_file(seen: Seen) -> None:
    """No request, no error, no warning: neither of the page nor of its policy."""
    assert seen.asked == []
    assert seen.wrong == []


def test_a_script_within_the_page_may_not_run(seen: Seen) -> None:
    """What is not one of our scripts does not run, even once it is in the document, and nothing can be sent away."""
    tried = seen.run(
        """async () => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const sent = await fetch('https://example.invalid/').then(() => true, () => false);
            return [Boolean(window.ran), sent];
        }"""
    )
    assert tried == [False, False]
    assert len(seen.wrong) >= 2, "the browser says that its policy was broken"
    seen.wrong.clear()
    seen.asked.clear()


def test_every_incident_is_there_once(seen: Seen, reported: Reported) -> None:
    """The list has each incident of the run, in its newest revision."""
    shown = seen.run("page.rows.map((row) => [row.id, row.said.revision])")
    assert sorted(map(tuple, shown)) == sorted((name, said.revision) for name, said in reported.newest().items())
    assert len(shown) > 3


def test_words_and_sums_are_those_of_the_command_line(seen: Seen, reported: Reported) -> None:
    """Headlines, phrases and the sum behind each confidence, of every revision, and the whole explanation."""
    shown = seen.run(
        """[...page.world.incidents.values()].flatMap((held) => held.revisions.map((said) => [
            said.incident_id, said.revision, page.world.headline(said, 'zh'), page.world.headline(said, 'en'),
            said.evidence.map((item) => page.world.phrase(item)), page.world.sum(said)]))"""
    )
    by_revision = {(said.incident_id, said.revision): said for said in reported.revisions()}
    assert len(shown) == len(by_revision)
    for name, revision, zh, en, phrases, summed in shown:
        said = by_revision[name, revision]
        kind = TYPES[said.type]
        assert (zh, en) == (headline(said, kind).zh, headline(said, kind).en)
        assert phrases == [phrase(item, TYPES, "en") for item in said.evidence]
        wanted = sum_of(said, kind)
        assert [summed[part] for part in ("prior", "rest", "total")] == [wanted.prior, wanted.rest, wanted.total]
        assert summed["calibration"] == (wanted.calibration or 0.0)
    texts = dict(seen.run("[...page.world.incidents.values()].map((held) => [held.id, held.text.zh])"))
    counts = Counter(said.incident_id for said in reported.revisions())
    for name, said in reported.newest().items():
        assert texts[name] == explanation_text(said, TYPES, "zh", instants(ZONE), counts[name])


def test_filters_leave_what_fits_and_count_the_rest(seen: Seen, reported: Reported) -> None:
    """A button of a state, words in the search and a least confidence each leave what fits; reset brings all back."""
    newest = reported.newest().values()
    button = seen.page.locator("#filter-states button", has_text="Withdrawn")
    withdrawn = sorted(said.number for said in newest if said.state == "withdrawn")
    assert button.locator(".chip-count").inner_text() == str(len(withdrawn))
    button.click()
    assert sorted(seen.rows()) == withdrawn
    seen.page.click("#reset")
    one = next(iter(newest))
    seen.page.fill("#search", one.number)
    assert seen.rows() == [one.number]
    seen.page.click("#reset")
    seen.page.click("#more-filters summary")
    seen.run(
        "(at) => { const range = byId('confidence'); range.value = at; range.dispatchEvent(new Event('input')); }", 90
    )
    assert sorted(seen.rows()) == sorted(said.number for said in newest if said.confidence >= 0.9)
    assert re.fullmatch(r"\d+ of \d+", seen.text("#count"))


def test_the_slider_shows_what_was_known_then(seen: Seen, reported: Reported) -> None:
    """At a time the list has the revisions decided by then, and a frame says that it is not now."""
    revisions = reported.revisions()
    at = revisions[len(revisions) // 2].updated_ms
    seen.run("(at) => page.time.set(at)", at)
    then = {said.incident_id: said.revision for said in revisions if said.updated_ms <= at}
    assert dict(seen.run("page.rows.map((row) => [row.id, row.said.revision])")) == then
    assert then != {name: said.revision for name, said in reported.newest().items()}
    assert seen.text("#looking-back") == "Looking back"
    seen.page.click("#to-end")
    assert len(seen.rows()) == len(reported.newest())
    assert not seen.page.locator("#looking-back").is_visible()


def test_playing_moves_time_on(seen: Seen) -> None:
    seen.page.click("#play")
    first = seen.run("page.time.time")
    seen.page.wait_for_timeout(700)
    later = seen.run("page.time.time")
    seen.page.click("#play")
    assert 3_000 < later - first < 30_000, "ten seconds a second"


def test_a_link_shows_the_same_view_elsewhere(seen: Seen, browser: Browser, reported: Reported) -> None:
    """Filter, selection, time, language, theme and place of the map are in the address."""
    said = max(reported.revisions(), key=lambda revision: revision.confidence)
    seen.run("(id) => page.choose(id)", said.incident_id)
    seen.run("(at) => page.time.set(at)", said.updated_ms)
    seen.page.click("#filter-states button >> nth=0")
    for press in ("l", "t"):
        seen.page.keyboard.press(press)
    seen.run("page.map.zoom(2)")
    seen.settle()
    view = """toHash({ filter: page.filters.filter, chosen: page.chosen, theme: page.theme, language,
                       time: page.time.time, map: page.map })"""
    told = seen.run(view)
    assert seen.page.url.endswith(told), "the address says it"
    again = browser.open(reported.html, told)
    assert again.run(view) == told
    assert again.rows() == seen.rows()
    assert again.text("#detail-title") == seen.text("#detail-title")
    again.page.close()


def test_the_detail_says_why(seen: Seen, reported: Reported) -> None:
    """Each piece of evidence with its log-odds, the sum, the revisions, and sources that the map shows."""
    said = max(reported.newest().values(), key=lambda one: len(one.evidence))
    seen.run("(id) => page.choose(id)", said.incident_id)
    table = seen.text(".evidence")
    for item in said.evidence:
        assert phrase(item, TYPES, "en") in table
        assert f"{abs(item.weight):.2f}"[:3] in table
    assert f"confidence {said.confidence:.3f}" in table
    assert seen.page.locator(".timeline li").count() == sum(
        one.incident_id == said.incident_id for one in reported.revisions()
    )
    button = seen.page.locator(".evidence .source[data-source]").first
    source = button.get_attribute("data-source")
    button.click()
    assert seen.run("[...page.map.lit]") == [source]


def test_curves_lie_around_their_incidents(seen: Seen, reported: Reported) -> None:
    """Some incident has a curve, each within its limits and with readings before the incident began."""
    curves = seen.run("page.world.city.curves")
    assert curves
    newest = reported.newest()
    early = 0
    for name, of_it in curves.items():
        assert len(of_it) <= 6
        for curve in of_it:
            assert 1 < len(curve["values"]) == len(curve["times_ms"]) <= 240
            assert curve["usual"] == [] or len(curve["usual"]) == len(curve["values"])
            early += curve["first_ms"] < newest[name].first_seen_ms
    assert early
    seen.run("(id) => page.choose(id)", next(iter(curves)))
    assert seen.page.locator("#detail figure .curve").count() == len(next(iter(curves.values())))


def test_the_whole_task_is_done_with_keys(seen: Seen) -> None:
    """From the top: search, choose, look from near, read, look back, help and away, without the mouse."""
    press = seen.page.keyboard.press
    number = seen.rows()[1]
    press("/")
    seen.page.keyboard.type(number)
    press("Enter")
    press("j")
    assert seen.run("page.world.incidents.get(page.chosen).revisions[0].number") == number
    scale = seen.run("page.map.scale")
    press("Enter")
    assert seen.run("document.activeElement.id") == "detail-title"
    assert seen.run("page.map.scale") >= scale
    press(",")
    assert seen.run("page.time.time") is not None
    press("?")
    assert seen.page.locator("#help-box").is_visible()
    press("Escape")
    assert not seen.page.locator("#help-box").is_visible()
    press("Escape")
    assert seen.run("page.chosen") is None
    press("0")
    seen.page.focus("#map")
    before = seen.run("page.map.x")
    press("ArrowRight")
    assert seen.run("page.map.x") > before
