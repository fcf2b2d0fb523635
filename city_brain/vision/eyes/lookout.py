"""Many live cameras looked at together: the newest frame of each, through the network in one run, observations out.

Input: what cameras hold ready. State: of each camera its eyes, the judge of its picture, and what was told of it.
Output: detections, and words about the cameras themselves. Cost: a run of the network for as many frames as cameras
have a new one; memory: a frame and the eyes of each camera.

Whoever looks sets the pace. A frame that a newer one replaces before somebody looks is skipped, and its camera counts
it; no frame waits, so what a look tells is never older than the look before. Nothing is told of what is seen while the
picture is frozen, black or not where it was: a frozen car would stand there for ever, and a camera that was turned
would put things where they are not. A recording that was played to its end is no camera that is down.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from city_brain.city.city_map import Camera, CityMap
from city_brain.errors import SettingsError
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import Quantity
from city_brain.vision.cards.checking import check_weights
from city_brain.vision.cards.registry import Registry
from city_brain.vision.detector import Detector
from city_brain.vision.eyes.eyes import Eyes, EyesCounters, see_together
from city_brain.vision.eyes.health import CameraHealth, blinds, picture_words
from city_brain.vision.eyes.rows import CameraRows
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.live.camera import CameraState, LiveCamera, LiveFrame
from city_brain.vision.live.health import PictureJudge
from city_brain.vision.live.settings import VideoSettings
from city_brain.wording.nearest import nearest

LOOK_EVERY_S: Final = 0.025
"""Between the beginnings of two looks at least: so much later at most is a frame seen, and so those of several cameras
come together.
"""


class Stream(Protocol):
    """A live camera as a lookout sees it; see `LiveCamera`."""

    def start(self) -> None:
        """Begins to read, in the background."""

    def take(self) -> LiveFrame | None:
        """The newest frame that was not yet taken, valid until the next call; never waits."""

    def state(self) -> CameraState:
        """How it is doing."""

    def stop(self) -> None:
        """Ends it."""


@dataclass(frozen=True, slots=True)
class Watching:
    """How a camera is doing: its stream, its eyes, the words that hold of it, and frames of which nothing was told
    since nothing on them could be believed.
    """

    state: CameraState
    counters: EyesCounters
    holding: tuple[Quantity, ...]
    unbelieved: int


@dataclass(slots=True)
class _Post:
    """One camera that is watched; `looked_ms`: when it was looked at last, or began to be watched."""

    stream: Stream
    eyes: Eyes
    rows: CameraRows
    looked_ms: int
    down_after_ms: float
    waited_ms: float = 0.0
    """For a frame, as far as somebody looked."""
    judge: PictureJudge = field(default_factory=PictureJudge)
    health: CameraHealth = field(default_factory=CameraHealth)
    picture: dict[Quantity, bool] = field(default_factory=dict)
    unbelieved: int = 0
    said: str = ""
    """What people were told last."""

    def believes(self, frame: LiveFrame) -> bool:
        """Whether what a frame shows can be told."""
        self.picture = picture_words(self.judge.judge(frame.frame, frame.event_ms))
        believed = not blinds(self.picture)
        self.unbelieved += not believed
        return believed

    def of_itself(self, frame: LiveFrame | None, now_ms: int) -> Observations:
        """What is to be told of the camera itself, after a look at its newest frame, if there was one."""
        state, known = self.stream.state(), dict[Quantity, bool]()
        down = self._waits(frame is not None, now_ms) > self.down_after_ms
        over = state.ended and not state.failure
        if not over and (down or state.last_arrived_ms is not None):
            known[Quantity.CAMERA_DOWN] = down
        if frame is not None:
            known |= self.picture
        return self.rows.health(now_ms if frame is None else frame.event_ms, self.health.due(now_ms, known))

    def _waits(self, given: bool, now_ms: int) -> float:
        """Ms without a frame. A clock that is set ahead, or nobody's look for a while, is no fault of the camera; and
        frames that come are as good as none where the clock was set back and none is given.
        """
        since_ms, self.looked_ms = now_ms - self.looked_ms, now_ms
        self.waited_ms = 0.0 if given else self.waited_ms + min(max(since_ms, 0), self.down_after_ms / 2.0)
        return self.waited_ms

    def sentence(self) -> str:
        """What is wrong with the camera, for people; empty where nothing is."""
        words = ", ".join(word.name.lower() for word in self.health.holding)
        failure = self.stream.state().failure if Quantity.CAMERA_DOWN in self.health.holding else ""
        return f"{words} ({failure})" if failure else words


class Lookout:
    """The cameras that are watched here; for one thread at a time, but for `watching`.

    `opens` gives the stream of a camera by its id; it is started here, and stopped.
    """

    def __init__(
        self, city: CityMap, settings: VideoSettings, detector: Detector, opens: Callable[[str], Stream]
    ) -> None:
        self._city, self._settings, self._detector, self._opens = city, settings, detector, opens
        self._cameras = known_cameras(city, settings)
        self._posts: dict[str, _Post] = {}

    def keep(self, wanted: Collection[str], now_ms: int) -> None:
        """Watches these cameras of the settings from now on, epoch ms, and no others; those watched before go on."""
        for camera in sorted(self._posts.keys() - set(wanted)):
            self._posts.pop(camera).stream.stop()
        for camera in sorted(set(wanted) - self._posts.keys()):
            self._posts[camera] = self._post(camera, now_ms)

    def _post(self, camera: str, now_ms: int) -> _Post:
        stream, rows = self._opens(camera), CameraRows(camera, now_ms)
        eyes = Eyes(self._cameras[camera], self._city.frame, self._detector, 0, rows=rows)
        stream.start()
        return _Post(stream, eyes, rows, now_ms, 1000.0 * self._settings.down_after_s)

    def look(self, now_ms: int) -> list[Observations]:
        """What the newest frames show, and what is to be told of the cameras, at `now_ms`, epoch ms; no empty ones."""
        taken = [(post, post.stream.take()) for post in self._posts.values()]
        shown = [(post.eyes, _timed(frame)) for post, frame in taken if frame is not None and post.believes(frame)]
        seen = see_together(self._detector, shown)
        rows = [one.observations for each in seen for one in each]
        rows += [post.of_itself(frame, now_ms) for post, frame in taken]
        return [batch for batch in rows if batch.n]

    @property
    def is_over(self) -> bool:
        """Whether all that was watched were recordings, which have been played to their end."""
        return all(post.stream.state().ended for post in self._posts.values())

    def watch(self, goes_on: Callable[[], bool]) -> Iterator[list[Observations]]:
        """Looks again and again, until it is over or does not go on; what each look tells, which may be nothing."""
        over = False
        while goes_on() and not over:
            began_s, over = time.monotonic(), self.is_over
            yield self.look(epoch_ms())
            time.sleep(max(0.0, began_s + LOOK_EVERY_S - time.monotonic()))

    def tell_again(self) -> None:
        """Rows may have been lost: all that is known of the cameras themselves is told again."""
        for post in self._posts.values():
            post.health.tell_again()

    def news(self) -> list[str]:
        """A sentence for people about each camera of which another one holds than when this was asked last."""
        told = []
        for camera, post in self._posts.items():
            sentence = post.sentence()
            if sentence != post.said:
                told.append(f"camera {camera}: {sentence or 'is well again'}")
                post.said = sentence
        return told

    def watching(self) -> dict[str, Watching]:
        """How each camera is doing, by id; for any thread."""
        return {
            camera: Watching(post.stream.state(), post.eyes.counters, post.health.holding, post.unbelieved)
            for camera, post in dict(self._posts).items()
        }

    def stop(self) -> None:
        """Watches nothing any more."""
        self.keep((), 0)


def epoch_ms() -> int:
    """The clock of this machine, as looks want it."""
    return round(1000.0 * time.time())


def known_cameras(city: CityMap, settings: VideoSettings) -> Mapping[str, Camera]:
    """The cameras of the settings by id, as the map has them; raises SettingsError where one is not there."""
    known = {camera.id: camera for camera in city.cameras}
    for camera in settings.cameras:
        if camera not in known:
            near = nearest(camera, sorted(known))
            raise SettingsError(f"site.toml, [video.cameras]: wanted cameras of the map, got {camera!r}{near}")
    return known


def open_lookout(city: CityMap, settings: VideoSettings, folder: Path | None, weights: Path | None = None) -> Lookout:
    """A lookout that watches nothing yet, for cameras of a site in `folder`, if any.

    Raises SettingsError where there is no such network or camera, ModelError where its weights are refused.
    """
    known_cameras(city, settings)
    if not settings.model:
        raise SettingsError("site.toml, [video] model: wanted the name of a network, got none")
    entry = Registry.of(folder, weights).entry(settings.model)
    if not entry.there:
        raise SettingsError(f"{entry.weights}: wanted weights, got none: `city-brain models fetch {settings.model}`")
    checked = check_weights(entry.weights, entry.card)
    detector = Detector(entry.card, checked.data, settings.providers, settings.threads, checked.report.frames)
    cameras, home = settings.cameras, folder or Path()
    return Lookout(city, settings, detector, lambda camera: LiveCamera(camera, cameras[camera], settings, home))


def _timed(frame: LiveFrame) -> list[TimedFrame]:
    return [TimedFrame(frame.event_ms, frame.frame)]
