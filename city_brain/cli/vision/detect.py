"""`city-brain detect`: a video or a folder of images of one camera in, detections on the ground out."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from city_brain.canonical import printable
from city_brain.cli.common import (
    DATA_LOST,
    INTERRUPTED,
    JsonOption,
    MapOption,
    Progress,
    epoch_ms,
    keep_apart,
    plural,
)
from city_brain.cli.vision.live import AllowOption, is_live, open_live, told
from city_brain.cli.vision.models import SiteOption, WeightsOption, need_extra
from city_brain.cli.vision.pictures import (
    AnnotateOption,
    BlurOption,
    MostMegabytesOption,
    MostSnapshotsOption,
    Pictures,
    PicturesAsked,
    SnapshotEveryOption,
    SnapshotsOption,
)
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.vision.detector import Detector
    from city_brain.vision.eyes import Eyes, EyesCounters
    from city_brain.vision.eyes.lookout import Lookout
    from city_brain.vision.frames.limits import Footage, TimedFrame

STANDARD_OUTPUT: Final = "-"
UNFINISHED: Final = ".part"
MOST_FRAMES: Final = 8
MOST_PIXELS: Final = 20_000_000
"""Of frames that are held at a time: 60 MB, and at least one frame."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(detect)


def detect(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video file, a folder of images, or an address.")],
    camera: Annotated[str, typer.Option("--camera", help="Id of the camera on the map.")],
    map_path: MapOption,
    model: Annotated[str, typer.Option("--model", help="Name of a network: `city-brain models list`.")],
    weights: WeightsOption = None,
    site: SiteOption = None,
    start: Annotated[
        str | None, typer.Option("--start", help="When the recording begins (RFC 3339); default: 1970-01-01T00:00:00Z.")
    ] = None,
    out: Annotated[str, typer.Option("--out", help="Where to write JSON lines; - is standard output.")] = "-",
    every_ms: Annotated[
        int | None,
        typer.Option("--every-ms", help="Look at a frame every so many ms; images are so far apart (default 1000)."),
    ] = None,
    annotate: AnnotateOption = None,
    snapshots: SnapshotsOption = None,
    snapshot_every: SnapshotEveryOption = 10.0,
    most_snapshots: MostSnapshotsOption = 10_000,
    most_snapshot_mb: MostMegabytesOption = 1000.0,
    blur: BlurOption = True,
    allow: AllowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn the frames of one camera into detections on the ground, as JSON lines that `fuse` and `send` read.

    Files are complete or not there: lines grow as *.part, a video as *.part.mp4, and are renamed at the end. An address
    is watched until Ctrl-C, by its lines alone: --start, --json and pictures are for recordings.
    """
    if as_json and out == STANDARD_OUTPUT:
        raise SettingsError("--json: wanted --out FILE with it, got lines and result both on standard output")
    asked = PicturesAsked(
        source=source, annotate=annotate, snapshots=snapshots, every_s=snapshot_every, most=most_snapshots,
        most_mb=most_snapshot_mb, blur=blur,
    )  # fmt: skip
    keep_apart((source, map_path), (out, annotate))
    start_ms = 0 if start is None else epoch_ms(start, "--start")
    if start_ms < 0:
        raise SettingsError(f"--start: wanted 1970 or later, got {start!r}")
    need_extra("detect", "cv2", "onnx", "onnxruntime")
    if is_live(source):
        _recording_only(start, annotate or snapshots, as_json)
        _watch_live(open_live(source, camera, map_path, model, site, weights, allow or (), every_ms), camera, out)
    footage, eyes = _opened(source, every_ms, camera, map_path, model, site, weights, start_ms)
    if start is None:
        typer.echo("no --start: times count from 1970-01-01T00:00:00Z", err=True)
    stopped, reading = _Stopped(), _Reading(footage)
    with ExitStack() as opened:
        lines = opened.enter_context(_Lines(out))
        pictures = opened.enter_context(asked.open(camera, start_ms, footage.fps, eyes.card))
        opened.enter_context(stopped.by_signal())
        _watch(reading, eyes, lines, pictures, stopped)
        if reading.broken is not None and not eyes.counters.frames:
            raise reading.broken
        if not stopped:
            lines.complete = True
            pictures.complete()
    _tell(eyes.counters, pictures, as_json)
    _end(stopped, reading, eyes.counters, out, pictures)


def _end(stopped: "_Stopped", reading: "_Reading", counters: "EyesCounters", out: str, pictures: Pictures) -> None:
    """Says how far it got, and ends with the code for that, where it did not get to the end."""
    if stopped:
        parts = [] if out == STANDARD_OUTPUT else [f"{out}{UNFINISHED}"]
        if pictures.video is not None:
            parts.append(str(pictures.video.part))
        unfinished = f"; incomplete: {', '.join(parts)}" if parts else ""
        typer.echo(printable(f"stopped after {plural(counters.frames, 'frame')}{unfinished}"), err=True)
        raise typer.Exit(INTERRUPTED)
    if reading.broken is not None:
        typer.echo(printable(f"city-brain: {reading.broken}"), err=True)
        raise typer.Exit(DATA_LOST)


def _opened(
    source: str,
    every_ms: int | None,
    camera: str,
    map_path: Path,
    model: str,
    site: Path | None,
    weights: Path | None,
    start_ms: int,
) -> "tuple[Footage, Eyes]":
    """The recording and the eyes, what is cheap to look at first."""
    from city_brain.city.loading import load_city
    from city_brain.vision.cards.registry import Registry
    from city_brain.vision.eyes import Eyes
    from city_brain.vision.frames.opening import open_frames
    from city_brain.wording.nearest import nearest

    entry = Registry.of(site, weights).entry(model)
    if not entry.there:
        raise SettingsError(f"{entry.weights}: wanted weights, got none: `city-brain models fetch {model}`")
    city = load_city(map_path)
    known = {each.id: each for each in city.cameras}
    if camera not in known:
        raise SettingsError(f"--camera: wanted a camera of {map_path}, got {camera!r}{nearest(camera, sorted(known))}")
    footage = open_frames(source, every_ms)
    if known[camera].homography is None:
        typer.echo(
            printable(f"camera {camera} has no homography: things are somewhere in its view (`city-brain calibrate`)"),
            err=True,
        )
    return footage, Eyes(known[camera], city.frame, _detector(entry), start_ms)


def _detector(entry: Any) -> "Detector":
    from city_brain.vision.cards.checking import check_weights
    from city_brain.vision.detector import Detector

    checked = check_weights(entry.weights, entry.card)
    return Detector(entry.card, checked.data, most=checked.report.frames)


def _watch(reading: "_Reading", eyes: "Eyes", lines: "_Lines", pictures: Pictures, stopped: "_Stopped") -> None:
    """Goes through the recording until it ends, breaks off or is stopped."""
    from city_brain.observations.json_twin import to_lines

    progress, counters = Progress("detect"), eyes.counters
    of = "" if reading.footage.most is None else f" of {reading.footage.most}"
    try:
        for batch in reading.batches():
            seen = eyes.see(batch)
            for timed, each in zip(batch, seen, strict=True):
                pictures.add(timed.frame, each)
            lines.write(b"".join(line + b"\n" for each in seen for line in to_lines(each.observations)))
            if stopped:
                return
            told = f"{plural(counters.tracks, 'track')}, {plural(counters.detections, 'detection')}"
            progress.show(f"{seen[-1].time_ms / 1000:.1f} s, frame {counters.frames}{of}, {told}")
    finally:
        progress.done()


def _recording_only(start: str | None, pictures: Path | None, as_json: bool) -> None:
    for option, given in (("--start", start), ("--annotate or --snapshots", pictures), ("--json", as_json)):
        if given:
            raise SettingsError(f"{option}: wanted a recording with it, got an address")


def _watch_live(lookout: "Lookout", camera: str, out: str) -> NoReturn:
    """Tells what a live camera sees, until somebody stops it."""
    stopped = _Stopped()
    with _Lines(out) as lines, stopped.by_signal():
        for told_of in told(lookout, camera, lambda: not stopped):
            lines.write(told_of)
        lines.complete = True
    raise typer.Exit(INTERRUPTED)


def _tell(counters: "EyesCounters", pictures: Pictures, as_json: bool) -> None:
    import msgspec

    if as_json:
        typer.echo(msgspec.json.encode(msgspec.structs.asdict(counters) | pictures.result()))
        return
    frames, tracks = plural(counters.frames, "frame"), plural(counters.tracks, "track")
    lines = [
        f"{frames}, {counters.skipped} of them skipped by the gate; {counters.boxes} boxes, {tracks}",
        f"seen {counters.seen} = detections {counters.detections} + without a place {counters.without_place}"
        f" + out of reach {counters.out_of_reach}",
    ]
    if counters.unusable or counters.too_many:
        lines.append(f"boxes that were not used: unusable {counters.unusable}, too many {counters.too_many}")
    for line in lines:
        typer.echo(line, err=True)
    pictures.tell()


class _Reading:
    """A recording as it is gone through, and why it broke off where it did."""

    def __init__(self, footage: "Footage") -> None:
        self.footage = footage
        self.broken: RecordingError | None = None

    def batches(self) -> "Iterator[list[TimedFrame]]":
        """The frames, some at a time; what was read before the recording breaks off comes, too."""
        batch: list[TimedFrame] = []
        try:
            for timed in self.footage.frames:
                batch.append(timed)
                if len(batch) == MOST_FRAMES or len(batch) * timed.frame[..., 0].size >= MOST_PIXELS:
                    yield batch
                    batch = []
        except RecordingError as wrong:
            self.broken = wrong
        if batch:
            yield batch


class _Stopped:
    """True once somebody pressed Ctrl-C: the frames at hand are finished, so that no line is half written."""

    def __init__(self) -> None:
        self._is = False

    def __bool__(self) -> bool:
        return self._is

    @contextmanager
    def by_signal(self) -> Iterator[None]:
        """The first Ctrl-C asks to stop, the next one does as it always does; who is deaf to it, stays so."""
        before = signal.getsignal(signal.SIGINT)
        if before is signal.SIG_IGN:
            yield
            return

        def ask(*_: object) -> None:
            self._is = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _Lines:
    """Where lines go: standard output, or a file that takes its name when it is `complete`.

    Whatever breaks off the run leaves the lines so far in *.part, or nothing where there are none.
    """

    def __init__(self, out: str) -> None:
        self.complete = False
        self._out, self._whole = out, Path(out)
        # A device or a pipe takes what comes as it comes.
        self._grows = out != STANDARD_OUTPUT and (not self._whole.exists() or self._whole.is_file())
        self._path = Path(out + UNFINISHED) if self._grows else self._whole
        self._file: IO[bytes]

    def __enter__(self) -> "_Lines":
        try:
            to_stdout = self._out == STANDARD_OUTPUT
            self._file = typer.get_binary_stream("stdout") if to_stdout else self._path.open("wb")
        except OSError as wrong:
            raise RecordingError(f"{self._out}: wanted a file to write, got: {wrong.strerror}") from wrong
        return self

    def write(self, lines: bytes) -> None:
        """Writes whole lines, and lets nobody wait for them who reads along."""
        try:
            self._file.write(lines)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as wrong:
            where = "standard output" if self._out == STANDARD_OUTPUT else self._out
            raise RecordingError(f"{where}: wanted to write all of it, got: {wrong.strerror}") from wrong

    def __exit__(self, *_: object) -> None:
        if self._out == STANDARD_OUTPUT:
            return
        self._file.close()
        if self._grows and self.complete:
            self._path.replace(self._whole)
        elif self._grows and not self._path.stat().st_size:
            self._path.unlink()
