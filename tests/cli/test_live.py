"""Live cameras on the command line: an address that `detect` watches, and the cameras of a site beside `run`."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread

import cv2
import pytest

from city_brain.cli.common import INTERRUPTED, USAGE
from city_brain.observations.json_twin import from_lines
from city_brain.observations.vocabulary import Kind
from tests.cli.processes import city_brain, running
from tests.vision.eyes.drives import STEP_MS, THREE, frames, map_of, video
from tests.vision.eyes.fed import several

DRIVE = frames(THREE, 2500)
LOOPBACK = ("--allow", "127.0.0.0/8")


@contextmanager
def mjpeg() -> Iterator[str]:
    """The address of a camera on this machine that streams pictures of the drive over HTTP."""
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            self.end_headers()
            try:
                for timed in cycle(DRIVE):
                    picture = cv2.imencode(".jpg", timed.frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
                    head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    if over.wait(STEP_MS / 1000.0):
                        return
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        serving.join()


def words(source: object, city_map: Path, *more: object) -> tuple[object, ...]:
    """A call with the tiny network."""
    return ("detect", source, "--camera", "mast-1", "--map", city_map, "--model", "tiny", *more)


def test_an_address_is_watched_until_ctrl_c(tmp_path: Path) -> None:
    """Lines come while it goes on, with the times of this moment; they are whole, and read without a rejected one."""
    city_map = map_of(tmp_path)
    with mjpeg() as address, running(*words(address, city_map, *LOOPBACK)) as started:
        started.wait_for('"kind":"detection"')
        started.wait_for('"quantity":"camera_down","value":0.0')
        assert started.interrupted() == INTERRUPTED
    assert re.search(
        r"^\d+ frames in 1 connection, \d+ skipped; \d+ tracks?, \d+ detections", "".join(started.err), re.M
    )
    parsed = from_lines("".join(started.out).encode().splitlines())
    assert not parsed.rejected
    common = parsed.observations.common
    assert set(common.kind.tolist()) == {Kind.DETECTION, Kind.SENSOR}
    delay_ms = common.arrival_ms - common.event_ms
    assert delay_ms.min() >= -100 and delay_ms.max() < 2000
    assert len(set(common.seq.tolist())) == len(common.seq)


def test_a_site_says_what_may_be_dialled_and_when_a_camera_is_down(tmp_path: Path) -> None:
    """Its networks and patience; why nobody answers is told on standard error, and that it is down among the lines."""
    city_map = map_of(tmp_path)
    (tmp_path / "site.toml").write_text(
        '[video]\nnetworks = ["127.0.0.0/8"]\nschemes = ["http"]\ndown_after_s = 1.0\n', encoding="utf-8"
    )
    with mjpeg() as address:
        pass
    with running(*words(address, city_map, "--site", tmp_path)) as started:
        started.wait_for('"quantity":"camera_down","value":1.0')
        started.wait_for(r"camera mast-1: camera_down \(.*wanted")
        assert started.interrupted() == INTERRUPTED


REFUSED = [
    (("rtsp://127.0.0.1/live",), "wanted leave to dial it, got none: --allow"),
    (("rtsp://me:secret@127.0.0.1/live",), "wanted leave to dial it"),
    (("rtsp://me:secret@127.0.0.1/live", *LOOPBACK), "wanted user and password_file beside the address"),
    (("rtsp://10.1.2.3/live", *LOOPBACK), "10.1.2.3"),
    (("http://127.0.0.1/live", "--site", "{site}"), "http"),
    (("rtsp://127.0.0.1/live", "--allow", "there"), "--allow: networks: wanted a network such as"),
    (("rtsp://127.0.0.1/live", *LOOPBACK, "--every-ms", "1"), "--every-ms: wanted 10 to 3600000, got 1"),
    (("rtsp://127.0.0.1/live", *LOOPBACK, "--camera", "mast-2"), "wanted a camera of .*, got 'mast-2'"),
    (("rtsp://127.0.0.1/live", *LOOPBACK, "--start", "2026-03-01T08:00:00Z"), "--start: wanted a recording with it"),
    (
        ("rtsp://127.0.0.1/live", *LOOPBACK, "--annotate", "a.mp4"),
        "--annotate or --snapshots: wanted a recording with it",
    ),
]


@pytest.mark.parametrize(("said", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_allowed_is_not_dialled(said: tuple[str, ...], why: str, tmp_path: Path) -> None:
    """With the reason, and without the password that somebody typed into the address."""
    (tmp_path / "site.toml").write_text('[video]\nnetworks = ["127.0.0.0/8"]\n', encoding="utf-8")
    source, *more = (word.format(site=tmp_path) for word in said)
    done = city_brain(*words(source, map_of(tmp_path), *more))
    assert (done.code, done.out) == (USAGE, ""), done.err
    assert re.search(why, " ".join(done.err.split())), done.err
    assert "secret" not in done.err


def test_a_run_watches_the_cameras_of_its_site(tmp_path: Path) -> None:
    """Beside standard input: all rows are used, none is refused, and it ends when all inputs have."""
    names = ("mast-1", "mast-2")
    (tmp_path / "city.geojson").write_text(json.dumps(several(*names)), encoding="utf-8")
    sources = "".join(f'[video.cameras.{name}]\naddress = "drive.avi"\n' for name in names)
    (tmp_path / "site.toml").write_text(f'[video]\nmodel = "tiny"\n{sources}', encoding="utf-8")
    video(tmp_path / "drive.avi", islice(cycle(DRIVE), 50))
    done = city_brain("run", tmp_path, "--listen", "127.0.0.1:0", "--exit-at-end", "--store", "memory")
    assert done.code == 0, done.err
    assert "watching 2 cameras" in done.err
    read, used, late = map(int, re.search(r"read (\d+) = used (\d+) \((\d+) of them late\)", done.err).groups())
    assert read == used > 2 * 3 * 30, done.err
    assert late < used // 2, "on a machine with other work"
