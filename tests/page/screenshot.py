"""`python -m tests.page.screenshot REPORT.html PICTURE.webp`: a picture of a report, an incident of which is open."""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from tests.page.browser import WIDE, browsing

LOSSLESS = 101
"""What OpenCV takes for it, of WebP."""
_CHOOSE = """() => {
    const pieces = (row) => row.said.evidence.length;
    page.choose(page.rows.reduce((best, row) => (pieces(row) > pieces(best) ? row : best)).id);
}"""


def main() -> None:
    """Takes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--size", default="x".join(map(str, WIDE)), metavar="WIDTHxHEIGHT")
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    with browsing((width, height)) as browser:
        seen = browser.open(asked.report.resolve(), f"lang={asked.language}&theme={asked.theme}")
        seen.run(_CHOOSE)
        seen.settle()
        taken = cv2.imdecode(np.frombuffer(seen.page.screenshot(), dtype=np.uint8), cv2.IMREAD_COLOR)
    assert taken is not None, "a browser makes pictures that can be read"
    cv2.imwrite(
        str(asked.picture), taken, [cv2.IMWRITE_WEBP_QUALITY, LOSSLESS] if asked.picture.suffix == ".webp" else []
    )
    sys.stdout.write(f"{asked.picture}: {asked.picture.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
