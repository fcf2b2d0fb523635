"""What README.md shows of `make demo`: pasted by `python -m tests.cli.readme`, and read back by a test.

The same settings give the same synthetic city on one build of numpy. On another one its last bits, and so its traffic,
may differ; the mark above the pasted text says which observations it was printed for.
"""

import hashlib
import re
import sys
import tempfile
from pathlib import Path

import zstandard

from tests.cli.processes import city_brain
from tests.house import ROOT

README = ROOT / "README.md"
LEFT_OUT = "…"
INCIDENTS_SHOWN = 3
SHOWN = ("CITY", "INCIDENTS", "PIXELS", "WHY", "NEAR MISS", "ROWS", "SCORE", "THE SAME")
_PASTED = re.compile(r"(?<=<!-- printed for observations )([0-9a-f]{16})( -->\n```text\n)(.*?)(?=^```$)", re.M | re.S)
_TITLE = re.compile(r"^([A-Z]+(?: [A-Z]+)?)(?:  |$)")


def fingerprint(folder: Path) -> str:
    """Which observations a demo was made of."""
    packed = (folder / "observations.jsonl.zst").read_bytes()
    return hashlib.sha256(zstandard.ZstdDecompressor().decompressobj().decompress(packed)).hexdigest()[:16]


def sections(printed: str) -> dict[str, list[str]]:
    """The printed lines by the title of their section, title lines included."""
    found: dict[str, list[str]] = {}
    for block in printed.strip().split("\n\n"):
        lines = block.splitlines()
        title = _TITLE.match(lines[0])
        assert title is not None, f"wanted a section, got {lines[0]!r}"
        found[title[1]] = lines
    return found


def excerpt(printed: str) -> str:
    """What of it is shown, with a mark where something is left out."""
    parts = []
    for title, lines in sections(printed).items():
        if title not in SHOWN:
            parts.append(LEFT_OUT)
        elif title == "INCIDENTS" and len(lines) > 1 + 3 * INCIDENTS_SHOWN:
            parts.append("\n".join([*lines[: 1 + 3 * INCIDENTS_SHOWN], f"  {LEFT_OUT}"]))
        else:
            parts.append("\n".join(lines))
    return "\n\n".join(part for at, part in enumerate(parts) if part != LEFT_OUT or parts[at - 1] != LEFT_OUT) + "\n"


def pasted() -> tuple[str, str]:
    """The fingerprint of the observations, and the text that README.md shows."""
    found = _PASTED.search(README.read_text(encoding="utf-8"))
    assert found is not None, "README.md: wanted a text block that was printed for some observations, got none"
    return found[1], found[3]


def paste() -> None:
    """Runs the demo and pastes what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = city_brain("demo", folder=Path(folder))
        assert done.code == 0, done.err
        said = f"{fingerprint(Path(folder) / 'out' / 'demo')} -->\n```text\n{excerpt(done.out)}"
    README.write_text(_PASTED.sub(lambda _: said, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    paste()
    sys.exit(0)
