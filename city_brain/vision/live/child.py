"""The child that reads one camera: `python -m city_brain.vision.live.child`, told on standard input.

It bounds itself before it dials, tells the newest frame, and dials again whatever happens to a connection. It ends when
its standard input does, so that no child outlives its camera's program.
"""

import mmap
import os
import sys
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

import msgspec
import numpy as np

from city_brain.errors import CameraError, CityBrainError
from city_brain.vision.children.bounding import bound
from city_brain.vision.frames.limits import MOST_PIXELS, size_text
from city_brain.vision.letterbox import Frame, check_frame
from city_brain.vision.live.addresses import check_address
from city_brain.vision.live.messages import (
    MEMORY_BYTES,
    MOST_FAILURE,
    MOST_LINE_BYTES,
    SLOT_BYTES,
    SLOTS,
    Alive,
    Connected,
    Ended,
    Errand,
    Lost,
    Message,
    Picture,
)
from city_brain.vision.live.reading.files import play
from city_brain.vision.live.reading.grabbed import Grabbed, Stream, epoch_ms
from city_brain.vision.live.reading.mjpeg import read_mjpeg
from city_brain.vision.live.reading.pacing import Backoff, EventClock
from city_brain.vision.live.reading.rtsp import read_rtsp

MOST_LATE_MS: Final = 1000
"""A frame that waited so long on its way is passed over."""
LEFT_AFTER_MS: Final = 5000
"""Where all frames were so late for so long, the queue before us does not shrink: it is left with its connection."""
_EARLY: Final = 4
"""A frame may come a quarter of the time between looks too early, and later ones make up for it: else a camera of just
so many frames a second would lose every one that comes a moment before its time.
"""
_ALIVE_S: Final = 1.0


class _Teller:
    """The way to the camera: messages on what was standard output, which no library can write into any more."""

    def __init__(self, errand: Errand) -> None:
        self.read = 0
        self.place = errand.place
        self._errand = errand
        self._free: SimpleQueue[int] = SimpleQueue()
        self._maps: list[mmap.mmap | None] = [None] * SLOTS
        self._told_s = 0.0
        self._due_ms = 0
        self._out = os.dup(1)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        for slot in range(SLOTS):
            self._free.put(slot)
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Takes slots back; the end of the camera is ours."""
        while given := os.read(0, 64):
            for slot in given:
                self._free.put(slot)
        os._exit(0)

    def tell(self, message: Message) -> None:
        """Tells at once."""
        self._told_s = time.monotonic()
        os.write(self._out, msgspec.json.encode(message) + b"\n")

    def alive(self) -> None:
        """Tells that all is well, where nothing was told for a moment."""
        if time.monotonic() - self._told_s >= _ALIVE_S:
            self.tell(Alive(read=self.read))

    def offer(self, grabbed: Grabbed, event_ms: int, now_ms: int) -> None:
        """Tells a frame, if one is due and there is room for it."""
        every_ms, early_ms = self._errand.every_ms, self._due_ms - now_ms
        if every_ms // _EARLY < early_ms <= every_ms:
            return
        try:
            slot = self._free.get_nowait()
        except Empty:
            return
        self._due_ms = every_ms + (self._due_ms if abs(early_ms) < every_ms else now_ms)
        frame = grabbed.unpack()
        self._keep(slot, frame)
        self.tell(
            Picture(
                slot=slot,
                width=frame.shape[1],
                height=frame.shape[0],
                media_ms=grabbed.media_ms,
                arrived_ms=now_ms,
                event_ms=event_ms,
                read=self.read,
            )
        )

    def _keep(self, slot: int, frame: Frame) -> None:
        check_frame(frame)
        if frame.shape[0] * frame.shape[1] > MOST_PIXELS:
            raise CameraError(f"{self.place}: wanted frames of at most {MOST_PIXELS} pixels, got {size_text(frame)}")
        held = self._maps[slot]
        if held is None or len(held) != frame.nbytes:
            if held is not None:
                held.close()
            held = mmap.mmap(self._errand.memory, frame.nbytes, offset=slot * SLOT_BYTES)
            self._maps[slot] = held
        np.frombuffer(held, np.uint8).reshape(frame.shape)[:] = frame


def main() -> None:
    """Reads the errand, and then the camera until nobody wants it any more."""
    errand = msgspec.json.decode(sys.stdin.buffer.readline(MOST_LINE_BYTES), type=Errand)
    bound(MEMORY_BYTES)
    teller = _Teller(errand)
    if errand.path:
        failure = _watch(teller, play(errand.path, errand.every_ms), leaves=False)
        teller.tell(Ended(read=teller.read, failure=failure))
        _wait(teller, float("inf"))
    backoff, turn = Backoff(), 0
    while True:
        began, read = time.monotonic(), teller.read
        failure = _watch(teller, _dialled(errand, turn), leaves=True)
        turn += teller.read == read  # where nobody answers, another address of the same name may
        teller.tell(Lost(read=teller.read, failure=failure))
        _wait(teller, backoff.wait_s(time.monotonic() - began))


def _dialled(errand: Errand, turn: int) -> Stream:
    """The frames of an address; raises CameraError or AddressError, as all that goes on in it does."""
    dialled = check_address(errand.address, errand.schemes, errand.networks, turn=turn)
    read = read_rtsp if dialled.address.scheme in ("rtsp", "rtsps") else read_mjpeg
    yield from read(dialled, errand.user, errand.password, errand.read_timeout_s, errand.tls_ca)


def _watch(teller: _Teller, stream: Stream, leaves: bool) -> str:
    """Tells the frames of one connection until it is over, and returns why; `leaves` one that is always late."""
    clock, punctual_ms, first = EventClock(), epoch_ms(), True
    try:
        for grabbed in stream:
            teller.alive()
            if grabbed is None:
                continue
            teller.read += 1
            if first:
                teller.tell(Connected())
                first = False
            now_ms = epoch_ms()
            event_ms = clock.place(grabbed.media_ms, now_ms)
            if now_ms - event_ms <= MOST_LATE_MS:
                punctual_ms = now_ms
                teller.offer(grabbed, event_ms, now_ms)
            elif leaves and now_ms - punctual_ms > LEFT_AFTER_MS:
                wanted = f"frames at most {MOST_LATE_MS} ms late"
                raise CameraError(f"{teller.place}: wanted {wanted}, got {now_ms - event_ms} ms")
    except CityBrainError as wrong:
        return str(wrong)[:MOST_FAILURE]
    except MemoryError:
        return f"{teller.place}: wanted frames that can be read within {MEMORY_BYTES >> 20} MiB, got larger ones"
    finally:
        stream.close()
    return ""


def _wait(teller: _Teller, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0.0:
        time.sleep(min(left_s, _ALIVE_S))
        teller.alive()


if __name__ == "__main__":
    main()
