"""The page is for everybody: both languages whole, both themes, names and contrast, small and large screens, paper."""

import re

import pytest

from city_brain.observations.vocabulary import MEASURES
from tests.page.browser import Browser, Seen
from tests.page.conftest import Reported

VIEWS = [(language, theme) for language in ("en", "zh") for theme in ("dark", "light")]
NOT_WORDS = re.compile(r"[^A-Za-z]+")
AS_THEY_ARE = {
    "I",
    "II",
    "III",
    "IV",
    "m",
    "s",
    "English",
    "Asia",
    "Shanghai",
    "demo",
    "small",
    "city",
    "brain",
    "Esc",
    "PM",
}
"""What stands in Chinese text in Latin letters: levels, units, the name of the other language, zone and city."""


def chosen(seen: Seen, reported: Reported) -> Seen:
    """The page with the incident of most evidence open."""
    most = max(reported.newest().values(), key=lambda said: len(said.evidence))
    seen.run("(id) => page.choose(id)", most.incident_id)
    seen.settle()
    return seen


@pytest.mark.parametrize(("language", "theme"), VIEWS)
def test_axe_finds_nothing_grave(browser: Browser, reported: Reported, language: str, theme: str) -> None:
    """Names, roles, contrast and order, with an incident open, in both languages and themes."""
    seen = chosen(browser.open(reported.html, f"lang={language}&theme={theme}"), reported)
    seen.page.click("#more-filters summary")
    seen.run("byId('legend').open = byId('layers').open = true")
    assert seen.grave() == []
    seen.page.close()


def test_both_languages_have_the_same_keys(browser: Browser, reported: Reported) -> None:
    """What one dictionary says the other says too, with the same number of values, and each key is used."""
    seen = browser.open(reported.html)
    words, names = seen.run("[WORDS, NAMES]")
    for dictionary in (words, names):
        assert dictionary["en"].keys() == dictionary["zh"].keys()
        for key, text in dictionary["en"].items():
            assert text.strip()
            assert dictionary["zh"][key].strip()
            assert sorted(re.findall(r"\{\d\}", text)) == sorted(re.findall(r"\{\d\}", dictionary["zh"][key])), key
    seen.page.close()


def test_every_label_is_in_the_language_that_is_chosen(browser: Browser, reported: Reported) -> None:
    """In Chinese no label of ours stands in Latin letters, and switching back says the same English as before."""
    seen = chosen(browser.open(reported.html), reported)
    english = seen.text("body")
    seen.page.keyboard.press("l")
    labels = seen.run(
        """() => {
            const found = [];
            const seen = (element) => !element.closest('bdi, pre, svg, .number, kbd, .soft, #city-name, script');
            for (const element of document.querySelectorAll('body *')) {
                for (const name of ['aria-label', 'title', 'placeholder']) {
                    if (element.hasAttribute(name) && seen(element)) found.push(element.getAttribute(name));
                }
                for (const part of element.childNodes) if (part.nodeType === 3 && seen(element)) found.push(part.data);
            }
            return found;
        }"""
    )
    latin = {word for label in labels for word in NOT_WORDS.split(label) if len(word) > 1} - AS_THEY_ARE
    sources = {word for source in seen.run("[...page.world.sources.keys()]") for word in NOT_WORDS.split(source)}
    units = {word for measure in MEASURES.values() for word in NOT_WORDS.split(measure.unit)}
    assert latin - sources - units == set()
    assert seen.run("document.documentElement.lang") == "zh-CN"
    seen.page.keyboard.press("l")
    assert seen.text("body") == english
    seen.page.close()


@pytest.mark.parametrize("size", [(390, 844), (1024, 768), (1600, 900), (3840, 1080)])
def test_nothing_sticks_out_at_any_size(browser: Browser, reported: Reported, size: tuple[int, int]) -> None:
    """Map, list and detail are in sight, and nothing is wider than the screen."""
    seen = browser.open(reported.html)
    seen.page.set_viewport_size({"width": size[0], "height": size[1]})
    seen.settle()
    assert seen.run("document.documentElement.scrollWidth") <= size[0]
    for part in ("#map", "#list", "#time-slider"):
        assert seen.page.locator(part).is_visible()
        box = seen.page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= size[0] + 1
        assert box["height"] > 10
    chosen(seen, reported)
    assert seen.page.locator("#detail-title").is_visible()
    assert seen.run("byId('detail').scrollWidth <= byId('detail').clientWidth")
    seen.page.close()


def test_severity_is_more_than_a_colour(browser: Browser, reported: Reported) -> None:
    """Each level has a shape and a size of its own, so a grey picture tells them apart."""
    seen = browser.open(reported.html)
    shapes = seen.run(
        "[...LEVELS, 'none'].map((level) => (MARK_CORNERS[level] || []).length + ':' + MARK_SIZES[level])"
    )
    assert len(set(shapes)) == 5
    assert len({shape.split(":")[0] for shape in shapes[:4]}) == 4
    seen.page.close()


def test_nothing_is_quite_sure(browser: Browser, reported: Reported) -> None:
    """A probability that would round to all or nothing is not shown so."""
    seen = browser.open(reported.html)
    shown = seen.run("[0.9999, 0.995, 0.9949, 0.5, 0.012].map(percent)")
    assert shown == ["> 99 %", "> 99 %", "99 %", "50 %", "1 %"]
    seen.page.close()


def test_it_prints_on_paper(browser: Browser, reported: Reported) -> None:
    """Controls are left out, all rows and the detail are there."""
    seen = chosen(browser.open(reported.html), reported)
    seen.page.emulate_media(media="print")
    seen.run("window.dispatchEvent(new Event('beforeprint'))")
    assert not seen.page.locator("#time").is_visible()
    assert not seen.page.locator(".filters").is_visible()
    assert seen.page.locator(".row").count() == len(reported.newest())
    assert seen.page.locator(".evidence").is_visible()
    seen.page.close()
