"""The files of the page keep the house in order: short, with a first sentence, and without a way to make markup."""

import re
from importlib import resources

import pytest

from city_brain.page.html import SCRIPTS, asset, live, report
from tests.page.invented import a_document

ASSETS = {entry.name for entry in (resources.files("city_brain.page") / "assets").iterdir()}
LINES = 300
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|DOMParser"
    r"|setAttribute\('style|import\(|https?://(?!www\.w3\.org/2000/svg)"
)


def test_every_script_is_used() -> None:
    assert {name for name in ASSETS if name.endswith(".js")} == set(SCRIPTS)
    assert len(SCRIPTS) == len(set(SCRIPTS))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short_strict_and_says_what_it_is(name: str) -> None:
    """It opens with a sentence, is strict, has at most 300 lines, and makes neither markup nor code of text."""
    text = asset(name)
    assert re.match(r"/\*\* .+[.:] \*/\n'use strict';\n", text), "wanted a first sentence and 'use strict'"
    assert text.count("\n") <= LINES
    assert not FORBIDDEN.findall(text)


def test_the_page_holds_no_attribute_of_style_or_event() -> None:
    """The policy would not let them be heard."""
    assert not re.findall(r"\s(?:style|on\w+)=", asset("page.html"))
    assert "http" not in re.sub(r"http-equiv|aria-\w+", "", asset("page.html"))


def test_data_cannot_end_their_block() -> None:
    """Whatever a name holds, the block of data holds neither `<` nor a separator that old scripts take for a line."""
    html = report(a_document(3, names=("</script><!--\u2028\u2029&",)))
    data = html.split('id="data">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(data)
    assert "\\u003c/script\\u003e" in data


def test_the_policy_names_every_script_and_the_style() -> None:
    """One hash for each; a report may ask nobody, a live page its own server, and none is unsafe."""
    page = live()
    for text in (page.policy, report(a_document(1))):
        assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", text)) == len(SCRIPTS) + 1
        assert "unsafe" not in text.split("<style>")[0]
    assert "connect-src 'none'" in report(a_document(1))
    assert "connect-src 'self'" in page.policy
