"""`city-brain score`: how good an answer is, held against the truth."""

from contextlib import contextmanager
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.cli.common import ZONE, JsonOption, ZoneOption, instants, keep_apart, plural, read_file
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from city_brain.scoring import Answer, PairScore, Score, Truth


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(score)


def score(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="TRUTH INCIDENTS", help="What really happened, what was announced."),
    ],
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Score tracks: IDENTITY TRACKS in place of TRUTH INCIDENTS.")
    ] = False,
    reliability: Annotated[
        bool, typer.Option("--reliability", help="Instead: of those announced at p, which share is real.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --reliability: the reliability diagram, an SVG file.")
    ] = None,
    zone: ZoneOption = ZONE,
    as_json: JsonOption = False,
) -> None:
    """Score an answer against the truth; several worlds are pooled, with --pairs each stands alone."""
    import msgspec

    from city_brain.scoring import table

    if pairs and reliability:
        raise SettingsError("score: wanted --pairs or --reliability, got both")
    if out is not None and not reliability:
        raise SettingsError("score: wanted --reliability with --out, got --out alone")
    if len(files) % 2:
        wanted = "IDENTITY TRACKS" if pairs else "TRUTH INCIDENTS"
        raise SettingsError(f"score: wanted files two by two ({wanted}), got {plural(len(files), 'file')}")
    worlds = list(zip(files[::2], files[1::2], strict=True))
    if pairs:
        for identity, tracks in worlds:
            said = _score_pairs(identity, tracks)
            typer.echo(msgspec.json.encode(said) if as_json else f"{tracks}: {_pairs_text(said)}")
        return
    if reliability:
        _reliability(worlds, out, as_json)
        return
    result = _score(worlds)
    typer.echo(msgspec.json.encode(result) if as_json else table(result, instants(zone)))


def _score(worlds: list[tuple[Path, Path]]) -> "Score":
    from city_brain.scoring import score_worlds

    return score_worlds(_read(worlds))


def _reliability(worlds: list[tuple[Path, Path]], out: Path | None, as_json: bool) -> None:
    import msgspec

    from city_brain.scoring.reliability import diagram, reliability_table, reliability_worlds

    if out is not None:
        keep_apart([path for world in worlds for path in world], [out])
    report = reliability_worlds(_read(worlds))
    if out is not None:
        title = f"Confidence when announced, and truth: {plural(len(worlds), 'world')}"
        try:
            out.write_text(diagram(report.announced, title), "utf-8")
        except OSError as wrong:
            raise RecordingError(f"{out}: wanted a file to write the diagram to, got: {wrong.strerror}") from wrong
    typer.echo(msgspec.json.encode(report) if as_json else reliability_table(report))


def _read(worlds: list[tuple[Path, Path]]) -> "Iterator[tuple[Truth, list[Answer]]]":
    from city_brain.scoring import read_answers, read_truth

    for truth, answers in worlds:
        with _of(truth):
            known = read_truth(read_file(truth, "a truth.json"))
        with _of(answers):
            yield known, read_answers(read_file(answers, "a file of incidents").splitlines())


def _score_pairs(identity: Path, tracks: Path) -> "PairScore":
    from city_brain.scoring import read_identity, score_pairs

    with _of(identity):
        known = read_identity(read_file(identity, "an identity.json"))
    with _of(tracks):
        return score_pairs(known, read_file(tracks, "a file of tracks").splitlines())


def _pairs_text(said: "PairScore") -> str:
    figures = (said.pair_f1, said.pair_precision, said.pair_recall)
    f1, precision, recall = ("-" if figure is None else f"{figure:.3f}" for figure in figures)
    return (
        f"pair F1 {f1}, precision {precision}, recall {recall}; "
        f"{said.assigned} of {plural(said.tracklets, 'tracklet')} assigned, {plural(said.true_pairs, 'true pair')}"
    )


@contextmanager
def _of(path: Path) -> "Iterator[None]":
    """Puts the file in the place of the word for it, in errors about what it holds."""
    try:
        yield
    except RecordingError as wrong:
        said = str(wrong)
        if said.startswith(str(path)):
            raise
        raise RecordingError(str(path) + said.lstrip(ascii_letters)) from wrong
