"""Weights are fetched by their hash: over https from where the card says, or from a folder for sites without a network.

A file gets its name only once all of it is on disk and its hash is the card's, so a broken line leaves nothing behind
that could be taken for weights.
"""

import hashlib
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Final
from urllib import request
from urllib.error import HTTPError, URLError

from city_brain.errors import ModelError
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.cards.checking import MOST_BYTES, read_weights
from city_brain.vision.cards.registry import Entry, find_in

QUIET_S: Final = 30.0
"""A server that says nothing for so long is given up."""
WHOLE_S: Final = 3600.0
"""One that drips is given up after so long in all."""
_BLOCK: Final = 2**16
_REDIRECTS: Final = 5

Show = Callable[[int, int | None], None]
"""Is told how many bytes have come, and of how many where the server says so."""


def fetch(entry: Entry, show: Show = lambda _got, _of: None, whole_s: float = WHOLE_S) -> Path:
    """Fetches weights from the card's origin, and returns their file. Raises ModelError.

    Authorities are those of the system, or of SSL_CERT_FILE.
    """
    card = entry.card
    if not card.origin:
        raise ModelError(f"{entry.place}: origin: wanted an https address, got none: the weights come with the card")
    try:
        with _opener().open(card.origin, timeout=QUIET_S) as answer:
            said = answer.headers.get("Content-Length", "")
            size = int(said) if said.isascii() and said.isdigit() else None
            if size is not None and size > MOST_BYTES:
                raise ModelError(f"{card.origin}: wanted at most {MOST_BYTES} bytes, got {size}")
            return _keep(_blocks(answer, card.origin, size, show, whole_s), card.origin, entry)
    except HTTPError as wrong:
        wrong.close()
        raise ModelError(f"{card.origin}: wanted the weights, got {wrong.code} {wrong.reason}") from wrong
    except (OSError, HTTPException, ValueError) as wrong:
        reason = wrong.reason if isinstance(wrong, URLError) else wrong
        raise ModelError(f"{card.origin}: wanted the weights, got: {reason}") from wrong


def copy_from(folder: Path, entry: Entry) -> Path:
    """Takes weights from a folder, whatever their name there, and returns their file. Raises ModelError."""
    candidates = find_in(folder, entry)
    for candidate in candidates:
        try:
            data = read_weights(candidate, entry.card)
        except ModelError:
            continue
        return _keep(iter([data]), str(candidate), entry)
    wanted = f"a file with sha256 {entry.card.sha256}"
    raise ModelError(f"{folder}: wanted {wanted}, got none among {len(candidates)} of its kind")


class _OnlyHttps(request.HTTPRedirectHandler):
    """Follows to other https addresses only."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> request.Request | None:
        """The next request; raises ModelError where it would go out unprotected."""
        if not newurl.lower().startswith("https://"):
            raise ModelError(f"{req.full_url}: wanted an https address, got led to {newurl[:200]!r}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> request.OpenerDirector:
    """Knows https and nothing else: no files, no plain http."""
    opener = request.OpenerDirector()
    handlers: list[request.BaseHandler] = [
        request.ProxyHandler(),
        request.HTTPSHandler(context=ssl.create_default_context()),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        _OnlyHttps(),
        request.UnknownHandler(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _blocks(answer: IO[bytes], origin: str, size: int | None, show: Show, whole_s: float) -> Iterator[bytes]:
    got, began = 0, time.monotonic()
    while block := answer.read1(_BLOCK) if hasattr(answer, "read1") else answer.read(_BLOCK):
        got += len(block)
        if got > MOST_BYTES:
            raise ModelError(f"{origin}: wanted at most {MOST_BYTES} bytes, got more")
        if time.monotonic() - began > whole_s:
            raise ModelError(f"{origin}: wanted the weights within {whole_s:.0f} s, got {got} bytes of them")
        show(got, size)
        yield block
    if size is not None and got != size:
        raise ModelError(f"{origin}: wanted {size} bytes, got {got}: the connection broke off")


def _keep(blocks: Iterator[bytes], origin: str, entry: Entry) -> Path:
    """Writes blocks to a file beside the one that they shall be, which they become if their hash is the card's."""
    target = entry.fetched
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(blocks, file, origin, entry.card)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return target


def _write(blocks: Iterator[bytes], file: IO[bytes], origin: str, card: ModelCard) -> None:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
        file.write(block)
    if digest.hexdigest() != card.sha256:
        wanted = f"sha256 {card.sha256}, as the card of {card.name} says"
        raise ModelError(f"{origin}: wanted {wanted}, got {digest.hexdigest()}")
    file.flush()
    os.fsync(file.fileno())
