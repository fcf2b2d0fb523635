"""`city-brain detect ADDRESS`: a live camera, of which is told what it sees and how it is, line by line, as it happens.

Only what is allowed by name is dialled: by `[video]` of the site, or by `--allow`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import Progress, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.vision.eyes.lookout import Lookout, Watching
    from city_brain.vision.live.settings import VideoSettings

AllowOption = Annotated[
    list[str] | None, typer.Option("--allow", metavar="NETWORK", help="Where an address may lead: 10.20.0.0/16.")
]
ADDRESSES: Final = ("rtsp://", "rtsps://", "http://", "https://")


def is_live(source: str) -> bool:
    """Whether a source is the address of a live camera."""
    return source.lower().startswith(ADDRESSES)


def open_live(
    source: str,
    camera: str,
    map_path: Path,
    model: str,
    site: Path | None,
    weights: Path | None,
    allow: Sequence[str],
    every_ms: int | None,
) -> "Lookout":
    """A lookout for one camera; what may be dialled is looked at first."""
    from city_brain.city.loading import load_city
    from city_brain.site import read_settings
    from city_brain.vision.eyes.lookout import open_lookout
    from city_brain.vision.live.addresses import check_address
    from city_brain.vision.live.settings import VideoSettings
    from city_brain.wording.nearest import nearest

    known = read_settings(site / "site.toml").video if site is not None else VideoSettings()
    settings = _settings(source, camera, model, known, allow, every_ms)
    check_address(source, settings.schemes, settings.networks)
    city = load_city(map_path)
    ids = sorted(each.id for each in city.cameras)
    if camera not in ids:
        raise SettingsError(f"--camera: wanted a camera of {map_path}, got {camera!r}{nearest(camera, ids)}")
    return open_lookout(city, settings, site, weights)


def _settings(
    source: str, camera: str, model: str, known: "VideoSettings", allow: Sequence[str], every_ms: int | None
) -> "VideoSettings":
    """Those of the site, for this one camera; where the site knows it at this address, with its user and password."""
    import msgspec

    from city_brain.vision.live.addresses import shown
    from city_brain.vision.live.settings import LEAST_EVERY_MS, MOST_EVERY_MS, CameraSource, VideoSettings

    networks = (*known.networks, *allow)
    if not networks:
        raise SettingsError(
            f"{shown(source)}: wanted leave to dial it, got none: --allow 10.20.0.0/16, or --site with [video] networks"
        )
    if every_ms is not None and not LEAST_EVERY_MS <= every_ms <= MOST_EVERY_MS:
        raise SettingsError(f"--every-ms: wanted {LEAST_EVERY_MS} to {MOST_EVERY_MS}, got {every_ms}")
    scheme = source.partition(":")[0].lower()
    said = known.cameras.get(camera)
    given = {
        "model": model,
        "networks": networks,
        "schemes": (*known.schemes, scheme) if allow else known.schemes,
        "every_ms": every_ms or known.every_ms,
        "cameras": {camera: said if said is not None and said.address == source else CameraSource(address=source)},
    }
    try:
        settings = msgspec.structs.replace(known, **given)
        return msgspec.convert(msgspec.to_builtins(settings), VideoSettings)
    except (ValueError, msgspec.ValidationError) as wrong:
        raise SettingsError(f"--allow: {wrong}") from wrong


def told(lookout: "Lookout", camera: str, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """The lines of each look at a camera that tells something, for as long as it goes on; then the camera is let go."""
    from city_brain.observations.columns import Observations
    from city_brain.observations.json_twin import to_lines
    from city_brain.vision.eyes.lookout import epoch_ms
    from city_brain.vision.eyes.rows import arrived

    progress = Progress("detect")
    try:
        lookout.keep((camera,), epoch_ms())
        for rows in lookout.watch(goes_on):
            for sentence in lookout.news():
                progress.done()
                typer.echo(printable(sentence), err=True)
            progress.show(_so_far(lookout.watching()[camera]))
            if rows:
                yield b"".join(line + b"\n" for line in to_lines(arrived(Observations.concat(rows), epoch_ms())))
        progress.done()
        typer.echo(_so_far(lookout.watching()[camera]), err=True)
    finally:
        lookout.stop()


def _so_far(watched: "Watching") -> str:
    """What came of a camera, in a line."""
    state, counters = watched.state, watched.counters
    came = f"{plural(state.frames, 'frame')} in {plural(state.connections, 'connection')}, {state.skipped} skipped"
    return f"{came}; {plural(counters.tracks, 'track')}, {plural(counters.detections, 'detection')}"
