"""The page as one file: scripts, style and data inlined, under a policy that lets a browser load nothing else.

Scripts and style are named to the browser by their hashes, so a script that found its way into the data would not run;
data are JSON in a block that no browser executes, with `<` and the line separators of JavaScript escaped.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from city_brain.page.document import Document, to_json

SCRIPTS: Final = (
    "dom.js", "words.js", "model.js", "marks.js", "layers.js", "reach.js", "hands.js", "map.js", "time.js", "list.js",
    "evidence.js", "curves.js", "detail.js", "place.js", "feed.js", "signs.js", "page.js",
)  # fmt: skip
"""In the order in which they run; each uses only what stands before it when it is read."""
_STYLE: Final = "style.css"
_MARK: Final = re.compile(r"<!-- (policy|style|data|scripts) -->")
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPED: Final = re.compile("[<>&\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the content security policy that it lives under."""

    html: str
    policy: str


def report(document: Document) -> str:
    """The file that shows a document, and asks for nothing."""
    return _filled(_policy("connect-src 'none'"), to_json(document))


def live() -> Page:
    """The page that asks the server it came from for everything; the policy is for the server to send."""
    policy = _policy("connect-src 'self'") + "; frame-ancestors 'none'"
    return Page(_filled("", b"null"), policy)


def _filled(policy: str, data: bytes) -> str:
    parts = {
        "policy": f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else "",
        "style": f"<style>{asset(_STYLE)}</style>",
        "data": f'<script type="application/json" id="data">{_embedded(data)}</script>',
        "scripts": "\n".join(f"<script>{asset(name)}</script>" for name in SCRIPTS),
    }
    return _MARK.sub(lambda mark: parts[mark[1]], asset("page.html"))


def _embedded(data: bytes) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], data.decode())


def _policy(connect: str) -> str:
    scripts = " ".join(_hash(asset(name)) for name in SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(asset(_STYLE))}; img-src data:; {connect}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def asset(name: str) -> str:
    """A file of the page."""
    return (resources.files("city_brain.page") / "assets" / name).read_text(encoding="utf-8")
