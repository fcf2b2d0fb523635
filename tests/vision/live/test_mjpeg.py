"""JPEGs over HTTP: pictures come one after the other, by password where there is one, and harm is refused."""

import hashlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice, pairwise
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import CameraError
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.addresses import check_address
from city_brain.vision.live.camera import LiveCamera
from city_brain.vision.live.reading.grabbed import Grabbed
from city_brain.vision.live.reading.mjpeg import read_mjpeg
from city_brain.vision.live.reading.parts import MOST_HEADER_BYTES, MOST_PICTURE_BYTES, Parts
from city_brain.vision.live.settings import CameraSource
from tests.certificates import make_certificate
from tests.vision.live.hostile_servers import Say, listening, once, silent
from tests.vision.live.serving import camera, wait_for

USER, PASSWORD, REALM, NONCE = "viewer", "let:me/in@once", "cam", "0123456789abcdef"
KIND = "multipart/x-mixed-replace; boundary="


def jpeg(shade: int, width: int = 64, height: int = 48) -> bytes:
    """A grey picture."""
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))[1])


def part(picture: bytes, length: bool = True, boundary: str = "frame") -> bytes:
    """A picture between boundaries."""
    said = f"Content-Length: {len(picture)}\r\n" if length else ""
    return f"--{boundary}\r\nContent-Type: image/jpeg\r\n{said}\r\n".encode() + picture + b"\r\n"


class _Handler(BaseHTTPRequestHandler):
    """Serves pictures of rising shades, ten a second: /open to all, /basic and /digest for a password."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        scheme = self.path.strip("/").partition("?")[0]
        if scheme in ("basic", "digest") and not self._is_known(scheme):
            asked = {
                "basic": f'Basic realm="{REALM}"',
                "digest": f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"',
            }
            self.send_response(401)
            self.send_header("WWW-Authenticate", asked[scheme])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", KIND + "--frame")
        self.end_headers()
        for number in count():
            try:
                self.wfile.write(part(jpeg(10 * number % 200), length=number % 2 == 0))
            except OSError:
                return
            time.sleep(0.1)

    def _is_known(self, scheme: str) -> bool:
        said = self.headers.get("Authorization", "")
        if scheme == "basic":
            return said == "Basic dmlld2VyOmxldDptZS9pbkBvbmNl"
        told = dict(piece.strip().partition("=")[::2] for piece in said.removeprefix("Digest ").split(","))
        told = {name: value.strip('"') for name, value in told.items()}
        first = _md5(f"{USER}:{REALM}:{PASSWORD}")
        second = _md5(f"GET:{self.path}")
        rest = f"{NONCE}:{told.get('nc')}:{told.get('cnonce')}:auth"
        return told.get("response") == _md5(f"{first}:{rest}:{second}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the class above
        pass


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - as cameras do


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A camera that serves well; its port."""
    server = _Quiet(("127.0.0.1", 0), _Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def opened(url: str, user: str = "", password: str = "", timeout_s: float = 2.0) -> Iterator[Grabbed]:
    """The stream of an address, in this process."""
    dialled = check_address(url, ("http", "https"), ("127.0.0.0/8",))
    return (grabbed for grabbed in read_mjpeg(dialled, user, password, timeout_s) if grabbed is not None)


def failure(say: Say, timeout_s: float = 2.0) -> str:
    """What is said of a server's stream, once all that can be read of it was unpacked."""
    with listening(say) as server, pytest.raises(CameraError) as failed:
        for grabbed in opened(f"http://127.0.0.1:{server.port}/a", timeout_s=timeout_s):
            grabbed.unpack()
    assert str(failed.value).startswith(f"http://127.0.0.1:{server.port}: wanted ")
    return str(failed.value)


@pytest.mark.parametrize("path", ["open", "basic", "digest", "digest?channel=1"])
def test_pictures_come_one_after_the_other(path: str) -> None:
    """With their times, to whoever knows the password."""
    with serving() as port:
        stream = opened(f"http://127.0.0.1:{port}/{path}", USER, PASSWORD)
        grabbed = [(one.media_ms, int(one.unpack().mean())) for one in islice(stream, 5)]
    times = [media_ms for media_ms, _ in grabbed]
    assert times == sorted(times)
    assert 300 <= times[-1] - times[0] <= 1500
    assert all(abs(shade - 10 * number) <= 2 for number, (_, shade) in enumerate(grabbed))


@pytest.mark.parametrize(("path", "user"), [("basic", USER), ("digest", USER), ("digest", "")])
def test_a_wrong_password_is_told_without_it(path: str, user: str) -> None:
    """And so is that one is missing."""
    with serving() as port, pytest.raises(CameraError) as failed:
        list(opened(f"http://127.0.0.1:{port}/{path}", user, "swordfish"))
    assert "401 Unauthorized" in str(failed.value)
    assert "swordfish" not in str(failed.value)


@pytest.mark.parametrize(
    "asked",
    [
        "", "Digest", "Digest realm", "Digest realm=", 'Digest realm="a"', 'Digest nonce="b"', "Digest realm=a, nonce=",
        'Digest realm="a", nonce="b", algorithm=X', 'Digest realm="a", nonce="b", qop="x"', "Digest ,,,=,=", "Basic",
        'Digest realm="\xff", nonce="\xe9"', 'Digest realm="a", nonce="b", algorithm="SHA-9"', "Negotiate", "x" * 9000,
    ],
)  # fmt: skip
def test_whatever_way_a_camera_asks_for_a_password_is_answered_or_refused(asked: str) -> None:
    """In words, with none of the password in them."""
    said = answer(b"", status="401 Unauthorized", more=f"WWW-Authenticate: {asked}\r\nContent-Length: 0\r\n")
    with listening(once(said)) as server, pytest.raises(CameraError) as failed:
        list(opened(f"http://127.0.0.1:{server.port}/a", USER, PASSWORD))
    assert str(failed.value).startswith(f"http://127.0.0.1:{server.port}: wanted ")
    assert PASSWORD not in str(failed.value)


def test_https_is_checked_against_the_name_of_the_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of an authority that the system knows is taken, another one is not."""
    certificate, key = make_certificate(tmp_path / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(context) as port:
        with pytest.raises(CameraError, match="CERTIFICATE_VERIFY_FAILED"):
            list(opened(f"https://127.0.0.1:{port}/open"))
        dialled = check_address(f"https://127.0.0.1:{port}/open", ("https",), ("127.0.0.0/8",))
        assert any(read_mjpeg(dialled, "", "", 2.0, certificate)), "no picture where the site itself trusts it"
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        stream = opened(f"https://127.0.0.1:{port}/open")
        assert next(stream).unpack().shape == (48, 64, 3)


def answer(body: bytes, kind: str = KIND + "frame", status: str = "200 OK", more: str = "") -> bytes:
    """An answer of HTTP."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}\r\n".encode("latin-1") + body


def bomb(width: int, height: int) -> bytes:
    """A JPEG of a few bytes that says it is enormous."""
    picture = bytearray(jpeg(0))
    at = picture.index(b"\xff\xc0")
    picture[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(picture)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"", status="302 Found", more="Location: http://127.0.0.1:1/\r\n"), "redirect"),
        (answer(b"", status="307 x", more="Location: file:///etc/passwd\r\n"), "redirect"),
        (answer(b"", status="404 Not here"), "404 Not Found"),
        (answer(b"", kind="text/html"), "kind"),
        (answer(b"", kind="multipart/x-mixed-replace"), "boundary"),
        (answer(b"", kind=KIND + "x" * 100), "boundary"),
        (answer(part(jpeg(0)) + b"--frame--\r\n\r\n"), "the last one"),
        (answer(part(jpeg(0))), "end of the stream"),
        (answer(b"x" * 100_000), "begins within"),
        (answer(b"--frame\r\nX: " + b"y" * 100_000), "begins within"),
        (answer(b"--frame\r\nContent-Length: -1\r\n\r\n"), "length"),
        (answer(f"--frame\r\nContent-Length: {MOST_PICTURE_BYTES + 1}\r\n\r\n".encode()), "length"),
        (answer(b"--frame\r\nContent-Length: 0x10\r\n\r\n"), "length"),
        (answer(b"--frame\r\nContent-Type: text/html\r\n\r\nhello\r\n--frame"), "another kind"),
        (answer(part(b"no picture at all")), "wanted an image"),
        (answer(part(jpeg(0)[:200])), "wanted a"),
        (answer(part(bomb(65_500, 65_500))), "pixels"),
        (answer(part(bomb(0, 10))), "pixels"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "header line"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "headers"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "wanted a stream of JPEGs"),
        (b"", "wanted a stream of JPEGs"),
    ],
)  # fmt: skip
def test_harm_is_refused(said: bytes, words: str) -> None:
    """Redirects, endless headers, other kinds, lengths that lie, pictures that are none or would be enormous."""
    assert words in failure(once(said))


def test_a_picture_that_drips_in_is_as_late_as_none() -> None:
    """A byte now and then does not keep a connection alive, and neither does silence."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(answer(b"--frame\r\n\r\n"))
        for _ in range(50):
            connection.sendall(b"x")
            time.sleep(0.1)

    for say in (drip, silent):
        began = time.monotonic()
        assert "in 0.5 s" in failure(say, timeout_s=0.5)
        assert time.monotonic() - began < 2.0


@given(st.lists(st.integers(min_value=0), max_size=12), st.lists(st.booleans(), min_size=1, max_size=4))
def test_pictures_are_found_however_the_body_is_cut(cuts: list[int], lengths: list[bool]) -> None:
    """With a length or without, and a picture that holds the boundary's beginning."""
    pictures = [bytes([number]) * 50 + b"\r\n--fram" + bytes([number]) for number in range(len(lengths))]
    body = b"preamble\r\n" + b"".join(map(part, pictures, lengths)) + b"--frame\r\n"
    parts, found = Parts("frame", "cam"), []
    edges = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in pairwise(edges):
        found += parts.read(body[start:end])
    assert found == pictures


def test_a_picture_without_an_end_is_given_up() -> None:
    """Before it fills the memory."""
    parts = Parts("frame", "cam")
    parts.read(b"--frame\r\n\r\n")
    with pytest.raises(CameraError, match="longer"):
        for _ in range(MOST_PICTURE_BYTES // 2**20 + 2):
            parts.read(bytes(2**20))


def test_a_camera_over_http_is_watched(tmp_path: Path) -> None:
    """By a child, as one over RTSP is; a server that leads elsewhere is not followed, and nobody else is dialled."""
    (tmp_path / "password").write_text(PASSWORD)
    shades: list[Frame] = []

    def took(one: LiveCamera) -> bool:
        frame = one.take()
        if frame is not None:
            shades.append(frame.frame)
        return len(shades) >= 3

    with serving() as port, listening(silent) as other:
        led = answer(b"", status="302 Found", more=f"Location: http://127.0.0.1:{other.port}/\r\n")
        good = CameraSource(address=f"http://127.0.0.1:{port}/digest", user=USER, password_file="password")  # noqa: S106
        with listening(once(led)) as leading:
            source = CameraSource(address=f"http://127.0.0.1:{leading.port}/")
            with camera("good", good, tmp_path) as watched, camera("led", source, tmp_path) as led_away:
                wait_for(lambda: took(watched), 15.0, "three frames")
                wait_for(lambda: "redirect" in led_away.state().failure, 15.0, "a redirect that is refused")
        assert other.dialled == 0
    assert all(shade.shape == (48, 64, 3) for shade in shades)


def test_the_boundary_of_headers_is_as_documented() -> None:
    """A part whose header just fits is read."""
    header = b"--frame\r\nX: " + b"y" * (MOST_HEADER_BYTES - 100) + b"\r\nContent-Length: 3\r\n\r\n"
    assert Parts("--frame", "cam").read(header + b"abc") == [b"abc"]
