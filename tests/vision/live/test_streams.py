"""Real RTSP streams: frames come in time, and whatever dies or hangs is left, told, and found again."""

import itertools
import os
import random
import signal
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from city_brain.measuring.memory import peak_bytes
from city_brain.vision.live.camera import MOST_AGE_MS, LiveCamera
from city_brain.vision.live.child import MOST_LATE_MS
from city_brain.vision.live.messages import MEMORY_BYTES
from city_brain.vision.live.settings import CameraSource
from tests.certificates import authority, issue, make_certificate
from tests.vision.live.conftest import Serve
from tests.vision.live.serving import RtspServer, behind_tls, camera, frames_of, made_ms, wait_for

AUTHORITY = {x509.BasicConstraints(ca=True, path_length=None): True}
PEAK_BYTES = 200 * 2**20
"""A child with a small stream: Python, OpenCV and FFmpeg."""


def test_four_cameras_are_read_at_once(four: list[LiveCamera]) -> None:
    """Each gives its own pictures, at most one in `every_ms`, and numbers and times rise."""
    taken = frames_of(four, 2.0)
    for mount, (_, frames) in enumerate(taken.items()):
        assert 10 <= len(frames) <= 22
        assert {made_ms(one.frame)[1] for one in frames} == {mount}
        for before, after in itertools.pairwise(frames):
            assert before.number < after.number
            assert before.event_ms < after.event_ms
            assert before.media_ms < after.media_ms


def test_event_time_is_when_the_picture_was_made(four: list[LiveCamera]) -> None:
    """Within half a second of when the server made it: that is what encoding, sending and unpacking take."""
    for frames in frames_of(four, 1.0).values():
        late = [one.event_ms - made_ms(one.frame)[0] for one in frames]
        assert late, "no frame came"
        assert max(late) <= 500
        assert min(late) >= 0


@pytest.mark.parametrize("packed", ["h265", "jpeg"])
def test_cameras_pack_in_other_ways_too(server: RtspServer, tmp_path: Path, packed: str) -> None:
    """H.265 and JPEG over RTP: pictures that show when they were made, in time and in order, in one connection."""
    with camera("cam", CameraSource(address=server.url(packed)), tmp_path) as one:
        wait_for(lambda: one.state().connected, 15.0, "a frame")
        frames = frames_of([one], 3.0)["cam"]
        assert len(frames) >= 20
        late = [frame.event_ms - made_ms(frame.frame)[0] for frame in frames]
        assert min(late) >= 0
        assert max(late) <= 500
        assert len({made_ms(frame.frame)[1] for frame in frames}) == 1
        assert one.state().connections == 1


def test_what_nobody_packs_video_with_is_told(server: RtspServer, tmp_path: Path) -> None:
    """A stream of another codec: the failure says which ones are read."""
    with camera("cam", CameraSource(address=server.url("vp8")), tmp_path) as one:
        wait_for(lambda: bool(one.state().failure), 15.0, "a failure")
        assert "wanted a stream of H.264, H.265 or JPEG, got another one" in one.state().failure
        assert one.state().frames == 0


def test_nobody_is_given_an_old_frame(four: list[LiveCamera]) -> None:
    """Whoever looks every two seconds gets what is a second old at most, or nothing; the rest is counted."""
    before = [one.state() for one in four]
    for _ in range(2):
        time.sleep(2.0)
        for one in four:
            frame = one.take()
            assert frame is not None
            assert time.time_ns() // 1_000_000 - made_ms(frame.frame)[0] <= MOST_AGE_MS
    for one, was in zip(four, before, strict=True):
        state = one.state()
        assert state.frames - was.frames >= 30
        assert state.skipped - was.skipped >= state.frames - was.frames - 3


def test_a_frame_that_nobody_took_is_not_given_later(four: list[LiveCamera], server: RtspServer) -> None:
    """The last frame before a stream stood still is gone when it is a second old."""
    server.freeze()
    try:
        time.sleep(0.3)
        frames_of(four, 0.1)
        time.sleep(MOST_AGE_MS / 1000.0 + 0.2)
        assert [one.take() for one in four] == [None] * 4
    finally:
        server.thaw()
    wait_for(lambda: all(one.take() is not None for one in four), 10.0, "frames again")


def test_frames_that_waited_on_their_way_are_passed_over(four: list[LiveCamera]) -> None:
    """A child that stood still for two and a half seconds gives none of what came meanwhile, then goes on as before."""
    one = four[0]
    assert one.process is not None
    os.kill(one.process, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(one.process, signal.SIGCONT)
    frames = frames_of([one], 2.0)[one.camera_id]
    late = [frame.arrived_ms - made_ms(frame.frame)[0] for frame in frames]
    assert len(frames) >= 8
    assert max(late) <= MOST_LATE_MS + 300
    assert late[-1] <= 500


def test_a_server_that_is_killed_is_found_again(four: list[LiveCamera], server: RtspServer) -> None:
    """Cameras are down within 15 s, and give frames within 10 s of the server's return; times go on rising."""
    before = {one.camera_id: frame for one in four if (frame := one.take())}
    connections = [one.state().connections for one in four]
    server.kill()
    assert wait_for(lambda: not any(one.state().connected for one in four), 15.0, "cameras that are down") <= 15.0
    assert all(one.state().failure for one in four)
    time.sleep(3.0)  # waits between attempts have grown by now
    server.start()
    returned = time.monotonic()
    missing = {one.camera_id: one for one in four}
    while missing:
        assert time.monotonic() - returned <= 10.0, f"wanted all back in 10 s, got none of {sorted(missing)}"
        for name, one in list(missing.items()):
            frame = one.take()
            if frame is not None:
                was = before.get(name)
                assert was is None or (frame.event_ms > was.event_ms and frame.number > was.number)
                del missing[name]
        time.sleep(0.01)
    print(f"all four back {time.monotonic() - returned:.1f} s after the server")
    assert [one.state().connections for one in four] == [n + 1 for n in connections]


@pytest.mark.campaign
def test_whatever_becomes_of_a_server_all_its_cameras_come_back(four: list[LiveCamera], server: RtspServer) -> None:
    """Ten times killed or frozen for one to eight seconds: each camera within 10 s, no frame late, all times rising."""
    chance = random.Random(7)
    back_s: list[float] = []
    last = {one.camera_id: (0, 0) for one in four}
    for _ in range(10):
        frozen, away_s = chance.random() < 0.5, chance.uniform(1.0, 8.0)
        server.freeze() if frozen else server.kill()
        frames_of(four, away_s)
        server.thaw() if frozen else server.start()
        returned, missing = time.monotonic(), {one.camera_id for one in four}
        while missing or time.monotonic() - returned < 2.0:
            assert time.monotonic() - returned <= 10.0, f"wanted all back in 10 s, got none of {sorted(missing)}"
            for one in four:
                frame = one.take()
                if frame is None:
                    continue
                assert frame.arrived_ms - made_ms(frame.frame)[0] <= MOST_LATE_MS + 300
                assert (frame.number, frame.event_ms) > last[one.camera_id]
                assert frame.event_ms > last[one.camera_id][1]
                last[one.camera_id] = (frame.number, frame.event_ms)
                if one.camera_id in missing:
                    missing.remove(one.camera_id)
                    back_s.append(time.monotonic() - returned)
            time.sleep(0.005)
    print(f"back after {sorted(back_s)[len(back_s) // 2]:.1f} s in the median, {max(back_s):.1f} s at most")


def test_a_server_that_hangs_costs_only_its_own_cameras(four: list[LiveCamera], serve: Serve, tmp_path: Path) -> None:
    """Its camera is down within 15 s; the others lose nothing; it is found again when it goes on."""
    other = serve(1)
    with camera("other", CameraSource(address=other.url(0)), tmp_path, read_timeout_s=1.0, down_after_s=2.0) as hung:
        wait_for(lambda: hung.state().connected, 15.0, "the other camera with frames")
        other.freeze()
        down_s, lost_s = [], 0.0
        began, last = time.monotonic(), [time.monotonic()] * 4
        while time.monotonic() - began < 3.0:
            for at, one in enumerate(four):
                if one.take() is not None:
                    last[at] = time.monotonic()
                lost_s = max(lost_s, time.monotonic() - last[at])
            if not down_s and not hung.state().connected:
                down_s.append(time.monotonic() - began)
            time.sleep(0.005)
        other.thaw()
        back_s = wait_for(lambda: hung.take() is not None, 10.0, "the other camera again")
    print(f"down after {down_s[0]:.1f} s, back after {back_s:.1f} s; longest gap of the others {lost_s * 1000:.0f} ms")
    assert down_s[0] <= 15.0
    assert lost_s <= 1.0


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.campaign)])
def test_a_child_that_dies_or_hangs_is_replaced(
    server: RtspServer, four: list[LiveCamera], tmp_path: Path, how: signal.Signals
) -> None:
    """A killed one at once, a hanging one when it has said nothing for too long; the failure says so."""
    source = CameraSource(address=server.url(0))
    with camera("cam", source, tmp_path, read_timeout_s=0.5, down_after_s=1.0) as one:
        wait_for(lambda: one.take() is not None, 15.0, "a frame")
        first = one.process
        assert first is not None
        os.kill(first, how)
        wait_for(lambda: not one.state().connected, 15.0, "a camera that is down")
        back_s = wait_for(lambda: one.take() is not None, 10.0, "a frame of another child")
        assert one.process not in (None, first)
        state = one.state()
        assert ("SIGKILL" if how == signal.SIGKILL else "sign of life") in state.failure
        assert state.connections == 2
        print(f"{how.name}: back after {back_s:.1f} s")
    assert all(other.state().connected for other in four)


def test_children_are_bounded_and_know_no_secrets_by_their_names(four: list[LiveCamera]) -> None:
    """A child may take 1 GiB of addresses, and takes less than 200 MiB; nothing of its camera is in its arguments."""
    for one in four:
        folder = Path(f"/proc/{one.process}")
        limits = (folder / "limits").read_text()
        assert f"{MEMORY_BYTES}" in next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert "rtsp" not in (folder / "cmdline").read_text()
        assert "rtsp" not in (folder / "environ").read_text()
        assert one.process is not None
        peak = peak_bytes(one.process)
        print(f"{one.camera_id}: at most {peak / 2**20:.0f} MiB")
        assert peak <= PEAK_BYTES


def test_a_password_is_shown_to_the_camera_and_nobody_else(serve: Serve, tmp_path: Path) -> None:
    """With the right one frames come; with a wrong one, or at a wrong path, the failure says what, and no secret."""
    guarded = serve(1, "viewer", "let:me/in@once")
    (tmp_path / "right").write_text("let:me/in@once\n")
    (tmp_path / "wrong").write_text("swordfish-91\n")
    lost = f"rtsp://127.0.0.1:{guarded.port}/hidden-path"

    def source(password: str, address: str = guarded.url(0)) -> CameraSource:
        return CameraSource(address=address, user="viewer", password_file=password)

    with (
        camera("right", source("right"), tmp_path) as right,
        camera("wrong", source("wrong"), tmp_path) as wrong,
        camera("lost", source("right", lost), tmp_path) as away,
        camera("nobody", CameraSource(address=guarded.url(0)), tmp_path) as nobody,
    ):
        wait_for(lambda: right.take() is not None, 15.0, "a frame")
        refused = (wrong, away, nobody)
        wait_for(lambda: all(one.state().failure for one in refused), 15.0, "cameras that are refused")
        assert [("401" in one.state().failure, "404" in one.state().failure) for one in refused] == [
            (True, False),
            (False, True),
            (True, False),
        ]
        for one in refused:
            assert not one.state().connected
            assert not any(word in one.state().failure for word in ("let:me", "let%3A", "swordfish", "hidden-path"))
            assert "swordfish" not in Path(f"/proc/{one.process}/environ").read_text()
            assert "swordfish" not in Path(f"/proc/{one.process}/cmdline").read_text()


def test_a_camera_behind_tls_must_be_who_it_says(
    server: RtspServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames come where an authority that we know vouches for the name that we dialled, and else none do."""
    good = make_certificate(tmp_path / "good")
    other = issue(None, "cam", dns=["cam.example"], usages=(), extensions=AUTHORITY).write(tmp_path / "other")
    trusted = tmp_path / "trusted.crt"
    trusted.write_text(Path(good[0]).read_text() + Path(other[0]).read_text())
    with behind_tls(server.port, *good) as named, behind_tls(server.port, *other) as misnamed:
        with camera("cam", CameraSource(address=f"rtsps://127.0.0.1:{named}/0"), tmp_path) as one:
            wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in one.state().failure, 15.0, "a stranger that is refused")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with (
            camera("good", CameraSource(address=f"rtsps://127.0.0.1:{named}/0"), tmp_path) as one,
            camera("other", CameraSource(address=f"rtsps://127.0.0.1:{misnamed}/0"), tmp_path) as another,
        ):
            wait_for(lambda: one.take() is not None, 15.0, "a frame over TLS")
            wait_for(lambda: "mismatch" in another.state().failure, 15.0, "another name that is refused")
            assert another.state().frames == 0


def test_a_site_says_who_vouches_for_its_cameras(server: RtspServer, tmp_path: Path) -> None:
    """An authority of its own vouches for a camera by its address, and for none that the system's would vouch for."""
    ours = authority("cameras of the city")
    (tmp_path / "cameras.pem").write_bytes(ours.certificate_pem)
    here = [x509.IPAddress(ip_address("127.0.0.1"))]
    usages = (ExtendedKeyUsageOID.SERVER_AUTH,)
    good = issue(ours, "cam", others=here, usages=usages).write(tmp_path / "good")
    stranger = issue(authority("someone"), "cam", others=here, usages=usages).write(tmp_path / "stranger")
    with (
        behind_tls(server.port, *good) as known,
        behind_tls(server.port, *stranger) as unknown,
        camera("good", CameraSource(address=f"rtsps://127.0.0.1:{known}/0"), tmp_path, tls_ca="cameras.pem") as one,
        camera("two", CameraSource(address=f"rtsps://127.0.0.1:{unknown}/0"), tmp_path, tls_ca="cameras.pem") as two,
        camera("three", CameraSource(address=f"rtsps://127.0.0.1:{known}/0"), tmp_path) as three,
    ):
        wait_for(lambda: one.take() is not None, 15.0, "a frame over TLS")
        refused = (two, three)
        wait_for(lambda: all("VERIFY_FAILED" in each.state().failure for each in refused), 15.0, "two refusals")
        assert [each.state().frames for each in refused] == [0, 0]


def test_a_camera_that_is_stopped_leaves_no_process(server: RtspServer, tmp_path: Path) -> None:
    """And a second stop does nothing."""
    one = camera("cam", CameraSource(address=server.url(0)), tmp_path)
    one.start()
    wait_for(lambda: one.process is not None, 10.0, "a child")
    child = one.process
    one.stop()
    one.stop()
    assert not Path(f"/proc/{child}").exists()
    assert one.take() is None
    assert not one.state().connected
