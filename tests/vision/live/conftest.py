"""A real RTSP server for the tests of this folder, and four cameras that watch it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from city_brain.vision.live.camera import LiveCamera
from city_brain.vision.live.settings import CameraSource
from tests.vision.live.serving import RtspServer, camera, wait_for

Serve = Callable[..., RtspServer]


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Starts servers that live until the end of the run; absent, a skip says so, and CI fails."""
    with ExitStack() as servers:

        def start(mounts: int, *login: str) -> RtspServer:
            try:
                server = RtspServer(mounts, *login)
            except FileNotFoundError as absent:
                pytest.skip(str(absent))
            servers.callback(server.kill)
            return server

        yield start


@pytest.fixture(scope="module")
def server(serve: Serve) -> RtspServer:
    """A server of four mounts; whoever kills or freezes it brings it back."""
    return serve(4)


@pytest.fixture(scope="module")
def four(server: RtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LiveCamera]]:
    """Four cameras of that server, all of which give frames."""
    folder: Path = tmp_path_factory.mktemp("site")
    with ExitStack() as watched:
        cameras = [
            watched.enter_context(camera(f"cam-{mount}", CameraSource(address=server.url(mount)), folder))
            for mount in range(4)
        ]
        wait_for(lambda: all(one.state().connected for one in cameras), 30.0, "four cameras with frames")
        yield cameras
