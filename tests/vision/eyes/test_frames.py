"""Recordings as frames: their times, what is refused before it is opened, and what breaks off."""

import os
import socket
import struct
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from city_brain.errors import RecordingError, SettingsError
from city_brain.vision.frames.images import MOST_SCANS, picture_size, read_image
from city_brain.vision.frames.limits import MOST_PIXELS, TimedFrame
from city_brain.vision.frames.opening import open_frames
from city_brain.vision.frames.video import Clock
from tests.vision.calibration.test_command import png
from tests.vision.eyes.drives import LOSSLESS, THREE, frames, images, video

SHOWN = frames(THREE, 3000)


def read(source: object, every_ms: int | None = None) -> list[TimedFrame]:
    """All frames of a recording."""
    return list(open_frames(str(source), every_ms).frames)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", LOSSLESS), ("a.mkv", LOSSLESS), ("a.mp4", "mp4v"), ("%d:a.avi", "MJPG")]
)
def test_a_video_gives_its_frames_with_their_times(tmp_path: Path, name: str, codec: str) -> None:
    """In every container; of lossless ones to the pixel."""
    path = video(tmp_path / name, SHOWN, codec)
    footage = open_frames(str(path))
    assert (footage.fps, footage.most) == (10.0, len(SHOWN))
    got = list(footage.frames)
    assert [timed.time_ms for timed in got] == [timed.time_ms for timed in SHOWN]
    for one, other in zip(got, SHOWN, strict=True):
        off = np.abs(one.frame.astype(int) - other.frame)
        assert off.mean() < (1e-9 if codec == LOSSLESS else 3.0)


def test_images_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """frame9 before frame10, a second apart unless said otherwise; what is no image is left alone."""
    folder = images(tmp_path / "images", SHOWN[:12])
    (folder / "notes.txt").write_text("no image")
    (folder / "inner").mkdir()
    for every_ms, apart_ms in ((None, 1000), (100, 100)):
        footage = open_frames(str(folder), every_ms)
        assert (footage.fps, footage.most) == (1000.0 / apart_ms, 12)
        got = list(footage.frames)
        assert [timed.time_ms for timed in got] == list(range(0, 12 * apart_ms, apart_ms))
        assert all((one.frame == other.frame).all() for one, other in zip(got, SHOWN, strict=False))


@pytest.mark.parametrize(
    ("every_ms", "times_ms"), [(1000, [0, 1000, 2000]), (250, [0, 300, 500, 800]), (20, [0, 100, 200])]
)
def test_a_video_can_be_thinned(tmp_path: Path, every_ms: int, times_ms: list[int]) -> None:
    """To the first frame that is due, without a drift; no frame is made up where there are fewer."""
    path = video(tmp_path / "a.avi", SHOWN)
    footage = open_frames(str(path), every_ms)
    got = [timed.time_ms for timed in footage.frames]
    assert got[: len(times_ms)] == times_ms
    assert footage.most == len(got)
    assert footage.fps == min(10.0, 1000.0 / every_ms)


def test_a_file_without_a_clock_counts_frames(tmp_path: Path) -> None:
    """JPEGs one behind the other have no times: frame number over frames a second, which is 25 where nobody says."""
    path = tmp_path / "a.mjpeg"
    path.write_bytes(b"".join(bytes(cv2.imencode(".jpg", timed.frame)[1]) for timed in SHOWN))
    got = read(path)
    assert [timed.time_ms for timed in got] == [40 * number for number in range(len(SHOWN))]


@pytest.mark.parametrize(
    ("said", "times_ms"),
    [
        ([0.0, 40.0, 80.0], [0, 40, 80]),
        ([5000.0, 5040.0, 5080.0], [0, 40, 80]),
        ([0.0, 0.0, 0.0], [0, 100, 200]),
        ([0.0, 40.0, 10.0, 20.0], [0, 40, 140, 240]),
        ([0.0, 40.0, float("nan"), 300.0], [0, 40, 140, 300]),
        ([float("nan"), 40.0], [0, 40]),
        ([0.0, 1e12, 200.0], [0, 100, 200]),
        ([0.0, float("inf"), -1.0], [0, 100, 200]),
    ],
)
def test_times_rise_whatever_a_file_says(said: list[float], times_ms: list[int]) -> None:
    """From 0, by the file's clock while it goes on, else by the frames a second, here ten."""
    clock = Clock(10.0)
    assert [round(clock.read(time_ms)) for time_ms in said] == times_ms


ADDRESSES = [
    "http://127.0.0.1/a.mp4", "https://example.org/a.mp4", "rtsp://127.0.0.1/live", "rtmp://127.0.0.1/live",
    "ftp://127.0.0.1/a", "file:///etc/passwd", "FILE:/etc/passwd", "concat:a.mp4|b.mp4", "data:video/mp4;base64,AAAA",
    "subfile,,start,0,end,9,,:a.mp4", "crypto:a.mp4", "tcp://127.0.0.1:9", "udp://@239.0.0.1:1", "pipe:0", "fd:0",
    "async:a.mp4", "cache:http://127.0.0.1/a", "tee:a", "hls+http://127.0.0.1/a", "gopher://127.0.0.1", "unix:a",
    "lavfi:testsrc", "C:a.mp4", "smb://127.0.0.1/a", "javascript:a", "ipfs://a", "srt://127.0.0.1:9",
]  # fmt: skip


@pytest.mark.parametrize("source", ADDRESSES)
def test_addresses_are_no_recordings(source: str) -> None:
    """Whatever their protocol, and before anything looks at them."""
    with pytest.raises(SettingsError, match=r"wanted a file or folder of this machine .*, got an address"):
        open_frames(source)


def test_devices_and_pipes_are_no_recordings(tmp_path: Path) -> None:
    """Nobody waits for a pipe that nobody writes into, nor for one in a folder of images."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for source in ("/dev/null", "/dev/zero", pipe):
        with pytest.raises(SettingsError, match="got a device, a pipe or a socket"):
            open_frames(str(source))
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "a.png")
    with pytest.raises(RecordingError, match=r"folder: a\.png: wanted a file of at most"):
        read(folder)


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    """However it is named: nothing that a file names is opened, neither on the network nor beside it."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0.5)
        inner = video(tmp_path / "inner.avi", SHOWN)
        texts = (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{inner.name}'\n",
            f"ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.avi'\n",
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 26\n",
            f"<MPD><Period><AdaptationSet><Representation><BaseURL>http://127.0.0.1:{port}/a</BaseURL></Representation></AdaptationSet></Period></MPD>",
        )

        def listen() -> None:
            try:
                asked.append(server.accept())
            except TimeoutError:
                return

        listener = Thread(target=listen)
        listener.start()
        for number, text in enumerate(texts):
            for ending in ("mp4", "m3u8"):
                path = tmp_path / f"{number}.{ending}"
                path.write_text(text)
                with pytest.raises(RecordingError, match="wanted a video, got a file that is none"):
                    open_frames(str(path))
        listener.join()
    assert not asked


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    """An absent file, an empty one, garbage, a text, a name that no file can have."""
    for content in (b"", bytes(range(256)) * 40, b"no video\n", b"\0\0\0\x18ftypmp42" + bytes(5000)):
        path = tmp_path / "some.mp4"
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=r"some\.mp4: wanted a video, got a file that is none"):
            open_frames(str(path))
    assert cv2.imwrite(str(tmp_path / "one.png"), SHOWN[0].frame)
    with pytest.raises(
        RecordingError, match=r"one\.png: wanted a video, got an image: images are read by their folder"
    ):
        open_frames(str(tmp_path / "one.png"))
    with pytest.raises(RecordingError, match="absent: wanted a video file or a folder of images, got: No such file"):
        open_frames(str(tmp_path / "absent"))
    with pytest.raises(RecordingError, match="got: embedded null"):
        open_frames("a\0b")


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_video_that_is_cut_short_counts_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    """Its frames come, then an error says how many were promised."""
    path = video(tmp_path / name, SHOWN)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    got: list[int] = []
    with pytest.raises(RecordingError, match=rf"{name}: wanted 30 frames as the file says, got 1\d: it breaks off"):
        got.extend(timed.time_ms for timed in open_frames(str(path)).frames)
    assert got == list(range(0, 100 * len(got), 100))
    assert 10 <= len(got) < 20


def test_a_video_that_says_it_is_absurdly_large_is_refused(tmp_path: Path) -> None:
    """By what its head says, before a frame is asked for."""
    path = video(tmp_path / "a.avi", SHOWN[:10])
    path.write_bytes(path.read_bytes().replace(struct.pack("<II", 320, 192), struct.pack("<II", 7000, 7000)))
    with pytest.raises(RecordingError, match=rf"wanted frames of 1 to {MOST_PIXELS} pixels, got 7000 × 7000"):
        open_frames(str(path))


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mkv", LOSSLESS), ("a.mp4", "mp4v")])
def test_a_damaged_video_gives_frames_or_an_error(tmp_path: Path, name: str, codec: str) -> None:
    """Whichever bytes are wrong: whole frames of one size at rising times, and nothing but our error after them."""
    whole = video(tmp_path / name, SHOWN[:10], codec).read_bytes()
    draw, path, broken = np.random.default_rng(5), tmp_path / f"damaged-{name}", 0
    for number in range(40):
        data = bytearray(whole)
        within = len(data) if number % 2 else 600
        for at in draw.integers(0, within, draw.integers(1, 30)).tolist():
            data[at] = int(draw.integers(0, 256))
        path.write_bytes(data)
        got: list[TimedFrame] = []
        try:
            got.extend(open_frames(str(path)).frames)
        except RecordingError:
            broken += 1
        assert len({timed.frame.shape for timed in got}) <= 1
        assert (np.diff([timed.time_ms for timed in got]) > 0).all()
    assert 0 < broken < 40


def scanned(more: int) -> bytes:
    """A progressive JPEG that goes so many times more over its pixels than it needs to."""
    whole = bytes(cv2.imencode(".jpg", SHOWN[0].frame, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + more * last + whole[-2:]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png(65_000, 65_000), f"wanted an image of 1 to {MOST_PIXELS} pixels, got 65000 × 65000"),
        (png(0, 5), "pixels, got 0 × 5"),
        (png(64, 64), "wanted a whole image"),
        (b"", "wanted an image in PNG or JPEG, got none in 0 bytes"),
        (b"GIF89a" + bytes(40), "wanted an image in PNG or JPEG, got none in 46 bytes"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + bytes(20), "pixels, got 65535 × 65535"),
        (scanned(MOST_SCANS), rf"wanted a JPEG of at most {MOST_SCANS} scans, got {MOST_SCANS + 10}"),
        (
            bytes(cv2.imencode(".png", np.zeros((10, 10, 3), np.uint8))[1]),
            "wanted 320 × 192 pixels as in the first image, got 10 × 10",
        ),
    ],
)
def test_an_absurd_image_ends_the_recording(tmp_path: Path, data: bytes, why: str) -> None:
    """After the images before it, and before it is unpacked: no bomb takes memory, no other size another place."""
    folder = images(tmp_path / "images", SHOWN[:2])
    (folder / "frame2.png").write_bytes(data)
    got: list[int] = []
    with pytest.raises(RecordingError, match=f"images: frame2.png: .*{why}"):
        got.extend(timed.time_ms for timed in open_frames(str(folder)).frames)
    assert got == [0, 1000]
    assert picture_size(png(3, 4)) == (3, 4)
    assert read_image(scanned(10), "a few more scans").shape == SHOWN[0].frame.shape


def test_a_folder_without_images_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(RecordingError, match=r"wanted a folder with images \(.png, .jpg, .jpeg\), got none in it"):
        open_frames(str(tmp_path))


@pytest.mark.parametrize("every_ms", [0, -1, 3_600_001])
def test_frames_come_at_a_possible_interval(tmp_path: Path, every_ms: int) -> None:
    with pytest.raises(SettingsError, match="every_ms: wanted 1 to 3600000, got"):
        open_frames(str(tmp_path), every_ms)
