"""The page on plain machines: without WebGL, without motion, with the light theme that the machine wishes for."""

from tests.page.browser import browsing
from tests.page.conftest import Reported

GREY = """() => {
    const ink = page.map.ink, { width, height } = page.map.canvas;
    const seen = new Set();
    const all = ink.getImageData(0, 0, width, height).data;
    for (let i = 0; i < all.length; i += 4) seen.add((all[i] << 16) | (all[i + 1] << 8) | all[i + 2]);
    return seen.size;
}"""


def test_the_map_needs_no_webgl(reported: Reported) -> None:
    """With WebGL and WebGL2 switched off the map is drawn as ever, and can be panned."""
    with browsing((1280, 720), "--disable-3d-apis", "--disable-accelerated-2d-canvas") as browser:
        seen = browser.open(reported.html)
        assert seen.run("document.createElement('canvas').getContext('webgl2')") is None
        assert seen.run(GREY) > 20, "more than a ground"
        before = seen.run("page.map.frames")
        seen.run("page.map.pan(50, 20)")
        seen.settle()
        assert seen.run("page.map.frames") > before
        assert seen.wrong == []


def test_wishes_of_the_machine_are_heard(reported: Reported) -> None:
    """Light where the machine wishes so and the address says nothing, and nothing moves by itself."""
    with browsing((1280, 720), color_scheme="light", reduced_motion="reduce", locale="zh-CN") as browser:
        seen = browser.open(reported.html, "")
        assert seen.run("document.documentElement.dataset.theme") == "light"
        assert seen.run("document.documentElement.lang") == "zh-CN"
        moving = (
            "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
        )
        assert seen.run(moving) == 0
