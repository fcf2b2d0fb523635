"""Names from hostile sources are text: markup, characters that turn the direction, emoji, and 10 kB in one name."""

from pathlib import Path

import pytest

from city_brain.page import document as page
from city_brain.page.html import report
from tests.page.browser import Browser, Seen
from tests.page.invented import a_document

HOSTILE = (
    "<img src=x onerror=window.ran=1><script>window.ran=1</script>",
    "</script><script>window.ran=1</script><!--",
    "\u202eevil\u202c \u2066turned\u2069 \u200f",
    "🚨🔥👨‍👩‍👧‍👦 " * 20,
    "长" * 10_000,
    "line\u2028break\u2029and\x00zero\r\n\tinto one",
    "'\"`;{}${window.ran=1}&lt;b&gt;",
    "__proto__",
)


@pytest.fixture(scope="module")
def seen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A page all of whose names are hostile."""
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    path.write_text(report(a_document(40, names=HOSTILE)), encoding="utf-8")
    return browser.open(path)


def test_nothing_of_it_runs(seen: Seen) -> None:
    """No script of a name runs, no element comes of one, nothing is asked for, in list, detail and both languages."""
    for number in range(len(HOSTILE)):
        seen.run("(at) => page.choose(page.rows[at].id)", number)
        seen.page.keyboard.press("l")
        seen.settle()
    assert seen.run("window.ran") is None
    assert seen.page.locator("#work img, #work script, #top img").count() == 0
    assert seen.asked == []
    assert seen.wrong == []


def test_names_are_cut_isolated_and_whole_in_a_title(seen: Seen) -> None:
    """Every name of others stands in a bdi, none is longer than it may be, none holds a steering character."""
    for number in range(len(HOSTILE)):
        seen.run("(at) => page.choose(page.rows[at].id)", number)
        for text, title in seen.run("[...document.querySelectorAll('bdi')].map((e) => [e.textContent, e.title])"):
            assert len(text) <= 600
            assert len(title) <= 3000
            assert not set(text + title) & set("\u202e\u202c\u2066\u2069\u200f\x00\u2028\r\n")
    assert seen.run("[...document.querySelectorAll('.row-title')].every((e) => e.querySelector('bdi'))")
    long = seen.run(
        "[...page.world.incidents.values()].find((held) => held.revisions[0].place.names.en.length > 9000).id"
    )
    seen.run("(id) => page.choose(id)", long)
    assert seen.text("#detail-title").endswith("…")
    assert "长" * 300 in (seen.page.locator("#detail-title bdi").get_attribute("title") or "")


def test_nothing_sticks_out(seen: Seen) -> None:
    """However long a name is, no part is wider than its place."""
    for number in range(len(HOSTILE)):
        seen.run("(at) => page.choose(page.rows[at].id)", number)
        assert seen.run("byId('detail').scrollWidth <= byId('detail').clientWidth + 1")
        assert seen.run("document.documentElement.scrollWidth <= innerWidth")


def test_a_hostile_address_is_a_view_like_any(seen: Seen) -> None:
    """What makes no sense in an address is left out."""
    for hash_ in (
        "t=1e999&at=a_b_c&conf=-5&lang=__proto__&theme=<b>",
        "id=nobody&types=...&t=-1",
        "%%%",
        "q=" + "x" * 9000,
    ):
        seen.run("(hash) => page.adopt(fromHash(hash))", hash_)
        assert seen.run("document.documentElement.lang") in ("en", "zh-CN")
    assert seen.wrong == []


def test_what_is_not_shown_is_said(browser: Browser, tmp_path: Path) -> None:
    """Limits stand on the page: so many of so many."""
    limits = (page.Limit("incidents", 2000, 3120), page.Limit("cameras", 5000, 12000))
    path = tmp_path / "page.html"
    path.write_text(report(a_document(5, limits=limits)), encoding="utf-8")
    seen = browser.open(path)
    assert "incidents: 2,000 of 3,120 shown" in seen.text("#foot")
    assert "cameras: 5,000 of 12,000 shown" in seen.text("#foot")
    seen.page.close()


def test_an_empty_city_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    """No incident, no camera: the page says that nothing was known."""
    path = tmp_path / "page.html"
    path.write_text(report(a_document(0, cameras=0)), encoding="utf-8")
    seen = browser.open(path)
    assert seen.text("#nothing") == "Nothing was known yet at this time."
    assert seen.wrong == []
    seen.page.close()
