"""The child that reads one camera, as its parent holds it: started, listened to, and ended."""

import fcntl
import os
import select
import subprocess
import time
from contextlib import suppress
from types import TracebackType
from typing import IO, Final

import msgspec
import numpy as np

from city_brain.errors import CameraError
from city_brain.vision.children.starting import command, ended, environment
from city_brain.vision.frames.limits import MOST_PIXELS
from city_brain.vision.letterbox import Frame
from city_brain.vision.live.messages import MOST_LINE_BYTES, SLOT_BYTES, SLOTS, Errand, Message, Picture

_BLOCK: Final = 65_536
_decoder = msgspec.json.Decoder(Message)


class Reader:
    """A running child; leaving the context ends it. `errand.memory` is set here.

    Nothing that the child says is believed without a look: it unpacks what strangers send.
    """

    def __init__(self, errand: Errand) -> None:
        self._place = errand.place
        self._memory = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._memory, SLOTS * SLOT_BYTES)
            fcntl.fcntl(self._memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command("city_brain.vision.live.child"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._memory,),
                cwd="/",
                env=environment("/"),
                start_new_session=True,  # a Ctrl-C is for us; we end it
            )
        except OSError as wrong:
            os.close(self._memory)
            raise CameraError(f"{self._place}: wanted a process that reads it, got: {wrong}") from wrong
        self._lines = bytearray()
        told = msgspec.structs.replace(errand, memory=self._memory)
        with suppress(OSError):  # a child that is gone already is met when it is listened to
            self._stdin.write(msgspec.json.encode(told) + b"\n")
            self._stdin.flush()

    def __enter__(self) -> "Reader":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the child and lets its memory go."""
        self.kill()
        self._process.wait()
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        os.close(self._memory)

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def kill(self) -> None:
        """Ends the child; whoever listens to it hears that."""
        self._process.kill()

    def hear(self, wait_s: float) -> Message:
        """The next message. Raises CameraError where the child has ended, says nonsense, or nothing for `wait_s`."""
        until = time.monotonic() + wait_s
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        while (end := self._lines.find(b"\n")) < 0:
            left_s = until - time.monotonic()
            if left_s <= 0.0 or not poll.poll(1000.0 * left_s):
                raise CameraError(f"{self._place}: wanted a sign of life of its reader in {wait_s:g} s, got none")
            block = os.read(self._stdout.fileno(), _BLOCK)
            if not block:
                raise CameraError(f"{self._place}: wanted its reader to go on, got {ended(self._process.wait())}")
            self._lines += block
            if len(self._lines) > MOST_LINE_BYTES + _BLOCK:
                raise CameraError(f"{self._place}: wanted short lines of its reader, got a long one")
        line = bytes(self._lines[:end])
        del self._lines[: end + 1]
        try:
            message: Message = _decoder.decode(line)
        except msgspec.DecodeError as wrong:
            raise CameraError(f"{self._place}: wanted messages of its reader, got {wrong}") from wrong
        if isinstance(message, Picture):
            _check(message, self._place)
        return message

    def frame(self, picture: Picture) -> Frame:
        """A copy of a frame that was told and not given back yet."""
        frame = np.empty((picture.height, picture.width, 3), np.uint8)
        got = os.preadv(self._memory, [frame.data.cast("B")], picture.slot * SLOT_BYTES)
        if got != frame.nbytes:
            raise CameraError(f"{self._place}: wanted {frame.nbytes} bytes of a frame, got {got}")
        return frame

    def give_back(self, picture: Picture) -> None:
        """Lets the child fill the slot of a frame again."""
        with suppress(OSError):
            os.write(self._stdin.fileno(), bytes((picture.slot,)))

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        return self._process.stdout


def _check(picture: Picture, place: str) -> None:
    pixels = picture.width * picture.height
    if not (0 <= picture.slot < SLOTS and picture.width > 0 and picture.height > 0 and pixels <= MOST_PIXELS):
        raise CameraError(f"{place}: wanted a frame in one of {SLOTS} slots, got {picture}")
