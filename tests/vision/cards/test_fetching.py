"""Weights come over https or from a folder, by their hash, and whatever goes wrong leaves nothing behind."""

import hashlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from city_brain.errors import ModelError, SettingsError
from city_brain.vision.cards.checking import MOST_BYTES
from city_brain.vision.cards.fetching import copy_from, fetch
from city_brain.vision.cards.registry import Entry
from tests.certificates import make_certificate
from tests.vision.cards.networks import card_of, sound

DATA = sound().SerializeToString()
LED = {"/led": "/good", "/unprotected": "http://127.0.0.1/good", "/local": "file:///etc/passwd", "/circle": "/circle"}
"""Addresses that lead on."""


class _Handler(BaseHTTPRequestHandler):
    """Serves the weights well and badly, by path."""

    def do_GET(self) -> None:
        if self.path in LED:
            self.send_response(302)
            self.send_header("Location", LED[self.path])
            self.end_headers()
            return
        lengths = {"/good": len(DATA), "/wrong": len(DATA), "/huge": MOST_BYTES + 1, "/short": len(DATA) + 10}
        self.send_response(404 if self.path == "/none" else 200)
        if self.path in lengths:
            self.send_header("Content-Length", str(lengths[self.path]))
        self.end_headers()
        if self.path == "/dripping":
            self._drip()
        elif self.path != "/none":
            self.wfile.write(DATA[::-1] if self.path == "/wrong" else DATA)

    def _drip(self) -> None:
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the class above
        pass


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https server on this machine, whose authority the system knows."""
    certificate, key = make_certificate(tmp_path / "server")
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = _Quiet(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """A card without weights."""
    (tmp_path / "card").mkdir()
    return Entry(card_of(DATA), "card.toml", tmp_path / "card" / "small.onnx", tmp_path / "fetched" / "small.onnx")


def _from(entry: Entry, origin: str) -> Entry:
    return replace(entry, card=msgspec.structs.replace(entry.card, origin=origin))


def _left(entry: Entry) -> list[str]:
    return [path.name for path in entry.fetched.parent.glob("*")] + [
        path.name for path in entry.fetched.parent.glob(".*")
    ]


@pytest.mark.parametrize("path", ["/good", "/led", "/unsized"])
def test_weights_come_over_https(path: str, origin: str, entry: Entry) -> None:
    """Also where the server leads to another https address, or does not say how long they are."""
    shown: list[int] = []
    found = fetch(_from(entry, origin + path), lambda got, _of: shown.append(got))
    assert found == entry.fetched
    assert found.read_bytes() == DATA
    assert shown[-1] == len(DATA)
    assert _left(entry) == ["small.onnx"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/wrong", "wanted sha256 .*, as the card of small says, got"),
        ("/huge", f"wanted at most {MOST_BYTES} bytes, got {MOST_BYTES + 1}"),
        ("/short", "wanted"),
        ("/none", "wanted the weights, got 404"),
        ("/dripping", "wanted the weights within 0 s, got"),
        ("/unprotected", "wanted an https address, got led to 'http://127"),
        ("/local", "wanted the weights, got 302 .*file:///etc/passwd' is not allowed"),
        ("/circle", "wanted the weights, got 302"),
    ],
)
def test_what_goes_wrong_leaves_nothing_behind(path: str, said: str, origin: str, entry: Entry) -> None:
    """No file has the name of weights, and none lies about under another one."""
    with pytest.raises(ModelError, match=f"^{origin}.*{said}"):
        fetch(_from(entry, origin + path), whole_s=0.3)
    assert _left(entry) == []


def test_weights_that_were_there_stay(origin: str, entry: Entry) -> None:
    """A fetch that fails does not touch what an earlier one brought."""
    fetch(_from(entry, f"{origin}/good"))
    with pytest.raises(ModelError):
        fetch(_from(entry, f"{origin}/wrong"))
    assert entry.fetched.read_bytes() == DATA


def test_a_server_that_nobody_vouches_for_is_refused(
    origin: str, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate must be of an authority that the system knows."""
    monkeypatch.setenv("SSL_CERT_FILE", make_certificate(tmp_path / "other")[0])
    with pytest.raises(ModelError, match="certificate verify failed"):
        fetch(_from(entry, f"{origin}/good"))
    assert _left(entry) == []


def test_nobody_there_is_said(origin: str, entry: Entry) -> None:
    """A port that is closed, and a card that says no address."""
    with pytest.raises(ModelError, match=r"wanted the weights, got: .*refused"):
        fetch(_from(entry, "https://127.0.0.1:1/small.onnx"))
    with pytest.raises(ModelError, match="origin: wanted an https address, got none"):
        fetch(entry)


@pytest.mark.parametrize("name", ["small.onnx", "small/small.onnx", "another.onnx", "deep/another.onnx"])
def test_weights_come_from_a_folder_by_content(name: str, entry: Entry, tmp_path: Path) -> None:
    """Whatever their name there, and past others that have the right one."""
    folder = tmp_path / "stick"
    (folder / name).parent.mkdir(parents=True)
    (folder / "aaa.onnx").write_bytes(b"something else")
    (folder / "small.onnx").write_bytes(b"the right name only")
    (folder / name).write_bytes(DATA)
    assert copy_from(folder, entry) == entry.fetched
    assert hashlib.sha256(entry.fetched.read_bytes()).hexdigest() == entry.card.sha256
    assert _left(entry) == ["small.onnx"]


def test_a_folder_without_them_is_refused(entry: Entry, tmp_path: Path) -> None:
    """With how many files were looked at; no such folder is an error of whoever named it."""
    (tmp_path / "x.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"wanted a file with sha256 .*, got none among 1 of its kind"):
        copy_from(tmp_path, entry)
    with pytest.raises(SettingsError, match="wanted a folder of weights, got none"):
        copy_from(tmp_path / "nowhere", entry)
    assert not entry.fetched.exists()
