"""What an RTSP camera may say before FFmpeg hears it: nothing leads elsewhere, and nothing can be read in two ways."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import CameraError
from city_brain.vision.live.reading.guard import MOST_BODY_BYTES, MOST_HEADER_BYTES, Guard, refusal
from city_brain.vision.live.settings import CameraSource
from tests.vision.live.hostile_servers import Say, listening, once, rtsp, silent
from tests.vision.live.serving import camera, wait_for

GOOD = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"
    b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n\r\n\r\n"
    b"$\x00\x00\x0cRTSP/1.0 302RTSP/1.0 200 OK\r\nSession: 1;timeout=60\r\n\r\n"
    b"$\x01\x00\x08\r\n\r\n\r\n\r\n"
    b"OPTIONS rtsp://127.0.0.1/a RTSP/1.0\r\nCSeq: 9\r\n\r\n$\x00\x00\x0c$$$$$$$$$$$$"
)
BAD = [
    b"RTSP/1.0 302 Found\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
    b"RTSP/1.0 301 x\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nX: y\nLocation: rtsp://10.0.0.1/\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nX: y\rLocation: rtsp://10.0.0.1/\r\n\r\n",
    b"RTSP/1.0 200 OK\r\n\x00: y\r\n\r\n",
    b"\rRTSP/1.0 200 OK\r\n\r\n",
    b"\nRTSP/1.0 200 OK\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length : 5\r\n\r\n",
    b"RTSP/1.0 200 OK\r\n folded\r\n\r\n",
    b"RTSP/1.0 200 OK\r\n$\x00\x00\x0c: y\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 0x5\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 5 5\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length:\r\n\r\n",
    f"RTSP/1.0 200 OK\r\nContent-Length: {MOST_BODY_BYTES + 1}\r\n\r\n".encode(),
    b"RTSP/1.0 200 OK\r\nX: " + b"y" * MOST_HEADER_BYTES,
    b"REDIRECT rtsp://127.0.0.1/a RTSP/1.0\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"\r\nRTSP/1.0 302 Found\r\n\r\n",
    b"RTSP/1.0 2000 OK\r\n\r\n",
    b"RTSP/1.0  302 Found\r\n\r\n",
    b"$\x00\x00\x00",
    b"$\x00\x00\x07",
]


def read(guard: Guard, data: bytes, cuts: list[int]) -> None:
    """Bytes in pieces."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        guard.read(data[start:end])


@given(st.lists(st.integers(min_value=0), max_size=8))
def test_a_stream_passes_however_it_is_cut(cuts: list[int]) -> None:
    """Answers, packets and questions; what a packet holds is not read."""
    guard = Guard("rtsp://cam:554")
    read(guard, GOOD, cuts)
    assert (guard.packets, guard.refused) == (3, 0)


@pytest.mark.parametrize("bad", BAD)
def test_what_leads_elsewhere_or_means_two_things_is_refused(bad: bytes) -> None:
    """Behind a good beginning and however it is cut, with nothing of the camera's own words in the message."""
    for cuts in ([], [1, 7, 20], list(range(len(bad)))):
        guard = Guard("rtsp://cam:554")
        guard.read(GOOD)
        with pytest.raises(CameraError, match=r"^rtsp://cam:554: wanted .+, got ") as refused:
            read(guard, bad, cuts)
        assert "10.0.0.1" not in str(refused.value)


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=8))
def test_whatever_is_sent_is_read_alike_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    """It passes or is refused in the same words."""
    said = []
    for cut in ([], cuts):
        guard = Guard("rtsp://cam:554")
        try:
            read(guard, data, cut)
            said.append((guard.packets, guard.refused, ""))
        except CameraError as wrong:
            said.append((guard.packets, guard.refused, str(wrong)))
    assert said[0] == said[1]


@pytest.mark.parametrize(("status", "word"), [(401, "password"), (403, "password"), (404, "path"), (454, "answer 454")])
def test_a_refusal_says_what_to_look_at(status: int, word: str) -> None:
    """In our own words."""
    assert word in refusal(status, "viewer")


SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nc=IN IP4 127.0.0.1\na=control:rtsp://127.0.0.1:{other}/a\n" \
      "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:rtsp://127.0.0.1:{other}/a/track1\n"  # fmt: skip


def _described(other: int) -> Say:
    """Announces that the stream is at another host, in every way that there is."""
    sdp = SDP.format(other=other).replace("\n", "\r\n")
    base = f"Content-Base: rtsp://127.0.0.1:{other}/a/\nContent-Location: rtsp://127.0.0.1:{other}/a/\n"
    described = f"RTSP/1.0 200 OK\nCSeq: NUMBER\n{base}Content-Type: application/sdp\nContent-Length: {len(sdp)}\n\n"
    transport = f"RTP/AVP;unicast;client_port=5000-5001;server_port={other}-{other + 1};source=127.0.0.1"
    return rtsp(
        "RTSP/1.0 200 OK\nCSeq: NUMBER\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\n\n",
        described + sdp.replace("\r\n", "\n"),
        f"RTSP/1.0 200 OK\nCSeq: NUMBER\nSession: 1\nTransport: {transport}\n\n",
    )


@pytest.mark.parametrize("way", ["redirect", "late redirect", "description", "another protocol"])
def test_a_camera_that_leads_elsewhere_is_not_followed(tmp_path: Path, way: str) -> None:
    """Not by a redirect, at once or after a first answer, nor by what it announces: nobody else is dialled."""
    with listening(silent) as other:
        led = f"RTSP/1.0 302 Found\nCSeq: NUMBER\nLocation: rtsp://127.0.0.1:{other.port}/a\n\n"
        ways = {
            "redirect": rtsp(led),
            "late redirect": rtsp("RTSP/1.0 200 OK\nCSeq: NUMBER\nPublic: DESCRIBE\n\n", led),
            "description": _described(other.port),
            "another protocol": once(
                f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\n\r\n".encode()
            ),
        }
        with listening(ways[way]) as server:
            source = CameraSource(address=f"rtsp://127.0.0.1:{server.port}/a")
            with camera("cam", source, tmp_path, read_timeout_s=1.0) as led_away:
                wait_for(lambda: server.dialled >= 2, 20.0, "a second attempt")
                state = led_away.state()
        assert other.dialled == 0
    assert not state.connected
    assert f"rtsp://127.0.0.1:{server.port}: wanted " in state.failure
    assert str(other.port) not in state.failure
    assert ("redirect" in state.failure) == ("redirect" in way)
