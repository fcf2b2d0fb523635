"""`city-brain models`: which networks there are, whether their weights are here, sound and fast enough."""

import hashlib
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import FAILED, JsonOption, Progress, plural
from city_brain.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from city_brain.vision.cards.card import ModelCard
    from city_brain.vision.cards.checking import Checked
    from city_brain.vision.cards.registry import Entry, Registry

BATCHES: Final = (1, 4, 16)
"""Cameras whose frames go through the network together, as `bench` measures."""

SiteOption = Annotated[Path | None, typer.Option("--site", help="A site folder, whose models/ holds cards of its own.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="The folder of fetched weights; default: $CITY_BRAIN_WEIGHTS, or the user's cache."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of a card.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    models = typer.Typer(no_args_is_help=True, help="Look over networks for cameras, fetch, check and measure them.")
    models.command("list")(list_models)
    models.command("fetch")(fetch)
    models.command("check")(check)
    models.command("bench")(bench)
    app.add_typer(models, name="models")


def list_models(site: SiteOption = None, weights: WeightsOption = None, as_json: JsonOption = False) -> None:
    """Print every card: its layout, its licence, and whether its weights are here.

    Exit code 1 where a card cannot be read; the others are printed all the same.
    """
    registry = _registry(site, weights)
    entries, broken = [], []
    for name in registry.names():
        try:
            entries.append(registry.entry(name))
        except ModelError as wrong:
            broken.append(str(wrong))
    if as_json:
        _print_json({"models": [_told(entry) for entry in entries], "broken": broken})
    else:
        for entry in entries:
            card = entry.card
            size = f"{card.input.width} × {card.input.height}"
            here = f"here: {entry.weights}" if entry.there else "not fetched"
            typer.echo(printable(f"{card.name}  {card.layout}, {size}, {card.licence}, {here}"))
    if not entries and not broken:
        typer.echo("no cards here: they lie in a checkout of city-brain, and in models/ of a site (--site)", err=True)
    for why in broken:
        typer.echo(printable(f"city-brain: {why}"), err=True)
    if broken:
        raise typer.Exit(FAILED)


def fetch(
    name: NameArgument,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder that holds the weights, for sites without a network.")
    ] = None,
    site: SiteOption = None,
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the weights of a card over https, or from a folder, and keep them if their hash is the card's."""
    from city_brain.vision.cards.checking import read_weights
    from city_brain.vision.cards.fetching import copy_from
    from city_brain.vision.cards.fetching import fetch as fetch_weights

    entry = _registry(site, weights).entry(name)
    progress = Progress(f"fetching {name}")

    def show(got: int, whole: int | None) -> None:
        progress.show(f"{got / 1e6:.1f}" + (f" of {whole / 1e6:.1f} MB" if whole else " MB"))

    if entry.there and _sound(entry):
        path = entry.weights
    else:
        try:
            path = copy_from(source, entry) if source is not None else fetch_weights(entry, show)
        finally:
            progress.done()
    size = len(read_weights(path, entry.card))
    if as_json:
        _print_json({"name": name, "weights": str(path), "bytes": size, "sha256": entry.card.sha256})
    else:
        typer.echo(printable(f"{name}  {size} bytes in {path}, licence {entry.card.licence}"))


def check(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A card, or a file of weights.")],
    card: Annotated[str, typer.Option("--card", help="Name or file of the card that a FILE must fit.")] = "",
    site: SiteOption = None,
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look through weights and try them out in a process of bounded means; exit code 1 where they are refused.

    A FILE without --card is held against the card that has its hash, where there is one.
    """
    need_extra("models", "onnx", "onnxruntime")
    path, entry, checked = _checked(model, card, _registry(site, weights))
    report = checked.report
    if as_json:
        _print_json({"file": str(path), "card": entry, "report": report})
        return
    batch = report.batch or "any"
    together = "" if report.batch else f", is given {plural(report.frames, 'frame')} at once at most"
    outputs = ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in report.outputs.items())
    lines = [
        f"{path}: {f'as the card of {entry} says' if entry else 'fits no card; its trial did no harm'}",
        f"  opset {report.opset}, {plural(report.nodes, 'node')}, {report.tensor_bytes} bytes of numbers",
        f"  {report.input} {batch} × 3 × {report.height} × {report.width} -> {outputs}",
        f"  loads in {report.load_ms:.0f} ms, runs in {report.run_ms:.1f} ms, "
        f"takes {report.peak_bytes / 2**20:.0f} MiB with its process{together}",
    ]
    for line in lines:
        typer.echo(printable(line))


def bench(
    name: NameArgument,
    runs: Annotated[int, typer.Option("--runs", min=1, max=10_000, help="Runs of each batch.")] = 20,
    site: SiteOption = None,
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure milliseconds per frame on one thread, for batches of 1, 4 and 16 frames: the median of several runs.

    A network that takes one number of frames only is measured with that.
    """
    need_extra("models", "onnx", "onnxruntime")
    import numpy as np

    from city_brain.vision.cards.sessions import feed, open_session

    path, _, checked = _checked(name, "", _registry(site, weights))
    report = checked.report
    session = open_session(checked.data, str(path), threads=1)
    batches = [each for each in BATCHES if each <= report.frames] if report.batch is None else [report.batch]
    progress = Progress(f"measuring {name}")
    measured = {}
    for batch in batches:
        frames = np.full((batch, 3, report.height, report.width), 114.0, np.float32)
        took = []
        fed = feed(frames, report.input, report.sizes)
        session.run(None, fed)
        for run in range(runs):
            progress.show(f"batch {batch}, run {run + 1} of {runs}")
            began = time.perf_counter()
            session.run(None, fed)
            took.append(1000 * (time.perf_counter() - began) / batch)
        measured[batch] = statistics.median(took)
    progress.done()
    if as_json:
        _print_json({"name": name, "threads": 1, "runs": runs, "ms_per_frame": measured})
        return
    for batch, each_ms in measured.items():
        typer.echo(f"{name}  batch {batch}: {each_ms:.2f} ms per frame")
    if report.batch is not None:
        typer.echo(f"{name}  takes {plural(report.batch, 'frame')} at a time and no other number")


def _registry(site: Path | None, weights: Path | None) -> "Registry":
    from city_brain.vision.cards.registry import Registry

    return Registry.of(site, weights)


def need_extra(command: str, *packages: str) -> None:
    """Raises SettingsError where a package is missing that the extra `vision` brings."""
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise SettingsError(f"{command}: wanted the package {package}, got none: install city-brain[vision]")


def _checked(model: str, card: str, registry: "Registry") -> tuple[Path, str | None, "Checked"]:
    """The file that was checked, the name of the card that it was held against, and what was found."""
    from city_brain.vision.cards.checking import check_weights, read_weights
    from city_brain.vision.cards.registry import card_at

    if model in registry.names() and not card:
        entry = registry.entry(model)
        if not entry.there:
            raise SettingsError(f"{entry.weights}: wanted weights, got none: `city-brain models fetch {model}`")
        return entry.weights, model, check_weights(entry.weights, entry.card)
    path = Path(model)
    if not path.exists():
        try:
            registry.entry(model)
        except SettingsError as wrong:
            raise SettingsError(f"{wrong}, and no file of that name") from wrong
    if card:
        fits: ModelCard | None = card_at(Path(card)) if card.endswith(".toml") else registry.entry(card).card
    else:
        known = registry.fitting(hashlib.sha256(read_weights(path)).hexdigest())
        fits = known.card if known is not None else None
    return path, fits.name if fits is not None else None, check_weights(path, fits)


def _sound(entry: "Entry") -> bool:
    from city_brain.vision.cards.checking import read_weights

    try:
        read_weights(entry.weights, entry.card)
    except ModelError:
        return False
    return True


def _told(entry: "Entry") -> dict[str, Any]:
    card = entry.card
    return {
        "name": card.name,
        "card": entry.place,
        "layout": card.layout,
        "width": card.input.width,
        "height": card.input.height,
        "licence": card.licence,
        "origin": card.origin,
        "sha256": card.sha256,
        "weights": str(entry.weights) if entry.there else None,
    }


def _print_json(said: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(said))
