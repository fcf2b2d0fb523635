"""What `detect` writes of the frames themselves: an annotated video and snapshots, without faces and licence plates."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from city_brain.canonical import printable
from city_brain.cli.common import plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.vision.cards.card import ModelCard
    from city_brain.vision.eyes import Seen
    from city_brain.vision.frames.annotating import AnnotatedVideo
    from city_brain.vision.frames.blurring import Blur
    from city_brain.vision.frames.snapshots import Snapshots
    from city_brain.vision.letterbox import Frame

AnnotateOption = Annotated[
    Path | None, typer.Option("--annotate", help="An MP4 to write: the frames with what was seen.")
]
SnapshotsOption = Annotated[
    Path | None,
    typer.Option("--snapshots", help="A folder for JPEGs: of each track when it is first told of, and then at times."),
]
SnapshotEveryOption = Annotated[
    float,
    typer.Option(
        "--snapshot-every", min=0.1, max=86_400.0, help="Show a track again after so many seconds at the earliest."
    ),
]
MostSnapshotsOption = Annotated[
    int, typer.Option("--most-snapshots", min=1, max=10_000_000, help="Pictures that the folder may hold.")
]
MostMegabytesOption = Annotated[
    float, typer.Option("--most-snapshot-mb", min=0.001, max=1e9, help="MB that these may take together.")
]
BlurOption = Annotated[
    bool, typer.Option("--blur/--no-blur", help="Make unknowable in pictures what the card of the network says.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesAsked:
    """What somebody wants; raises SettingsError where that cannot be."""

    source: str
    annotate: Path | None
    snapshots: Path | None
    every_s: float
    most: int
    most_mb: float
    blur: bool

    def __post_init__(self) -> None:
        if self.annotate is not None and self.annotate.suffix.lower() != ".mp4":
            raise SettingsError(f"--annotate: wanted a name that ends in .mp4, got {str(self.annotate)!r}")
        if self.snapshots is not None and self.snapshots.resolve() == Path(self.source).resolve():
            raise SettingsError(f"--snapshots: wanted a folder of its own, got the one that is read: {self.source}")

    def open(self, camera_id: str, start_ms: int, fps: float, card: "ModelCard") -> "Pictures":
        """Makes the folder and says what nobody will blur; raises SettingsError, RecordingError."""
        from city_brain.vision.frames.annotating import AnnotatedVideo
        from city_brain.vision.frames.blurring import Blur
        from city_brain.vision.frames.snapshots import Snapshots, SnapshotSettings

        if (self.annotate or self.snapshots) and self.blur and not card.blur:
            told = f"the card of {card.name} names nothing to blur: pictures show faces and licence plates as they are"
            typer.echo(told, err=True)
        snapshots = None
        if self.snapshots is not None:
            limits = SnapshotSettings(every_s=self.every_s, most=self.most, most_bytes=round(1e6 * self.most_mb))
            snapshots = Snapshots(self.snapshots, camera_id, start_ms, limits)
        video = None if self.annotate is None else AnnotatedVideo(self.annotate, fps)
        return Pictures(self, snapshots, video, Blur() if self.blur and card.blur else None)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """All that is written of frames."""

    asked: PicturesAsked
    snapshots: "Snapshots | None"
    video: "AnnotatedVideo | None"
    blur: "Blur | None"
    _opened: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Pictures":
        if self.video is not None:
            self._opened.enter_context(self.video)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def complete(self) -> None:
        """All frames were shown: the video takes its name."""
        if self.video is not None:
            self.video.complete = True

    def add(self, frame: "Frame", seen: "Seen") -> None:
        """Shows a frame and what was seen in it."""
        if self.snapshots is None and self.video is None:
            return
        if self.blur is not None:
            frame = self.blur.apply(frame, seen.time_ms, seen.hidden)
        if self.video is not None:
            self.video.add(frame, seen)
        if self.snapshots is not None:
            self.snapshots.add(frame, seen)

    def result(self) -> dict[str, Any]:
        """What there is to say at the end, by name; nothing where no snapshots were wanted."""
        if self.snapshots is None:
            return {}
        return {"snapshots": self.snapshots.written, "snapshots_left_out": self.snapshots.left_out}

    def tell(self) -> None:
        """The same for people, on standard error."""
        if self.snapshots is None:
            return
        told = f"{plural(self.snapshots.written, 'snapshot')} in {self.asked.snapshots}"
        if self.snapshots.left_out:
            bounds = (
                f"{plural(self.asked.most, 'picture')} or {self.asked.most_mb:g} MB are all that the folder may hold"
            )
            told += f"; left out: {self.snapshots.left_out}, since {bounds}"
        typer.echo(printable(told), err=True)
