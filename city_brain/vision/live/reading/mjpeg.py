"""Frames of a camera that sends JPEGs over HTTP without end, each in the place of the one before.

No redirect is followed, and nothing is dialled but the address that was checked. Of a picture the size is read before
it is unpacked. Such streams have no clock: the time of a frame is when it came.
"""

import socket
import ssl
import time
import urllib.request
from base64 import b64encode
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final

from city_brain.errors import CameraError, RecordingError
from city_brain.vision.frames.images import read_image
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.addresses import Dialled
from city_brain.vision.live.reading.grabbed import Grabbed, Stream
from city_brain.vision.live.reading.guard import refusal
from city_brain.vision.live.reading.parts import Parts

_BLOCK: Final = 65_536
_MULTIPART: Final = "multipart/x-mixed-replace"


def read_mjpeg(dialled: Dialled, user: str, password: str, timeout_s: float, tls_ca: str = "") -> Stream:
    """Frames until the connection breaks, which is a CameraError, as is that nothing can be read of it."""
    place = str(dialled.address)
    try:
        answer = _ask(dialled, timeout_s, "", tls_ca)
        if answer.status == HTTPStatus.UNAUTHORIZED and user:
            with answer:
                login = _login(dialled, answer.headers.get_all("WWW-Authenticate") or [], user, password)
            answer = _ask(dialled, timeout_s, login, tls_ca)
        with answer:
            yield from _frames(answer, place, user, timeout_s)
    except (OSError, HTTPException, ValueError, LookupError) as wrong:
        why = f"no answer in {timeout_s:g} s" if isinstance(wrong, TimeoutError) else str(wrong) or type(wrong).__name__
        raise CameraError(f"{place}: wanted a stream of JPEGs, got: {why}") from wrong


def _ask(dialled: Dialled, timeout_s: float, login: str, tls_ca: str) -> HTTPResponse:
    """Dials the literal address and asks in the name of the host; the answer holds the connection."""
    address = dialled.address
    with socket.create_connection((dialled.ip, address.port), timeout_s) as dialling:
        secured = dialling
        if address.scheme == "https":
            context = ssl.create_default_context(cafile=tls_ca or None)
            secured = context.wrap_socket(dialling, server_hostname=address.host)
        with secured:
            connection = HTTPConnection(address.host, address.port)
            connection.sock = secured
            connection.request("GET", address.path, headers={"Authorization": login} if login else {})
            return connection.getresponse()


def _frames(answer: HTTPResponse, place: str, user: str, timeout_s: float) -> Stream:
    """The newest picture of each block that has come; a picture that drips in is as late as one that does not come."""
    if 300 <= answer.status < 400:
        raise CameraError(f"{place}: wanted the stream itself, got a redirect ({answer.status}), which is not followed")
    if answer.status != HTTPStatus.OK:
        raise CameraError(f"{place}: {refusal(answer.status, user)}")
    if answer.headers.get_content_type() != _MULTIPART:
        raise CameraError(f"{place}: wanted an answer of kind {_MULTIPART}, got another kind")
    parts = Parts(answer.headers.get_boundary("") or "", place)
    began = last = time.monotonic()
    while data := answer.read1(_BLOCK):
        now = time.monotonic()
        for picture in parts.read(data):
            last = now
            yield Grabbed(round(1000.0 * (now - began)), partial(_unpacked, picture, place))
        if now - last > timeout_s:
            raise CameraError(f"{place}: wanted a frame in {timeout_s:g} s, got none that is whole")
    raise CameraError(f"{place}: wanted pictures without end, got the end of the stream")


def _unpacked(picture: bytes, place: str) -> Frame:
    try:
        frame: Frame = read_image(picture, place)
    except RecordingError as wrong:
        raise CameraError(str(wrong)) from wrong
    return frame


def _login(dialled: Dialled, challenges: list[str], user: str, password: str) -> str:
    """What to answer to a camera that asks who is there, by a digest wherever it takes one (RFC 7616)."""
    address = dialled.address
    for challenge in challenges:
        scheme, _, said = challenge.partition(" ")
        if scheme.lower() == "digest":
            asked = urllib.request.Request(f"http://{address.host}{address.path}")
            known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            known.add_password(None, asked.full_url, user, password)
            terms = urllib.request.parse_keqv_list(list(filter(None, urllib.request.parse_http_list(said))))
            told = urllib.request.HTTPDigestAuthHandler(known).get_authorization(asked, terms)
            if told:
                return f"Digest {told}"
    if any(challenge.partition(" ")[0].lower() == "basic" for challenge in challenges):
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    raise CameraError(f"{address}: wanted to be asked for a password by digest or basic, got another way")
