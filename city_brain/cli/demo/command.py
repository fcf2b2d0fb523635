"""The `demo` command: its options, and the order in which the journey is told."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from city_brain.cli.common import FAILED, ZoneOption
from city_brain.cli.demo import judging
from city_brain.cli.demo.again import readings_again
from city_brain.cli.demo.choosing import contradicted, most_explained, near_miss, unsuspected
from city_brain.cli.demo.journey import INCIDENTS, Journey
from city_brain.cli.demo.telling import Teller
from city_brain.cli.synthesise import write
from city_brain.scoring import read_answers, read_truth, score
from city_brain.site import time_zone
from city_brain.synth import SynthCity, SynthSettings
from city_brain.synth.files import TRUTH

WORLD: Final = SynthSettings(
    seed=5,
    cameras=24,
    minutes=6,
    incidents_per_hour_per_100_cameras=400,
    distractors_per_hour_per_100_cameras=500,
    garbage_fraction=0.001,
)
"""A few junctions with far more incidents and hard negatives an hour than a city has, so that minutes are enough."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to leave the world and the answers.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another city.")] = WORLD.seed,
    cameras: Annotated[int, typer.Option("--cameras", help="Cameras of the city.")] = WORLD.cameras,
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes that it lives.")] = WORLD.minutes,
    zone: ZoneOption = "Asia/Shanghai",
) -> None:
    """Make a small city, fuse what its devices send, and show what came of it; exit 1 if it is not repeatable."""
    settings = msgspec.structs.replace(WORLD, seed=seed, cameras=cameras, minutes=minutes)
    hours = time_zone(zone)
    lines = write(SynthCity(settings), out)
    journey = Journey.of(out)
    teller = Teller(journey.site.types, hours)
    teller.city(journey, lines, settings.start_ms, minutes)
    teller.section("INCIDENTS", "as they are announced")
    journey.make(teller.announced)
    if all(incident.detected_ms is None for incident in journey.revisions):
        teller.line("none")
    truth = read_truth((out / TRUTH).read_bytes())
    explained = most_explained(journey.revisions, journey.site.types)
    if explained is not None:
        teller.why(explained, contradicted(journey.revisions, explained))
    answers = read_answers((out / INCIDENTS).read_bytes().splitlines())
    quiet = unsuspected(journey.revisions, answers, truth)
    teller.near_miss(near_miss(journey.revisions, truth), quiet, len(truth.distractors))
    teller.blind(journey)
    teller.rows(journey.runner.counters, journey.runner.held)
    figures = score(truth, answers)
    judging.write_answers(journey, teller, figures)
    judging.tell_score(teller, figures)
    judging.tell_digest(teller, journey)
    differ = False
    for verified in readings_again(journey):
        judging.tell_again(teller, verified)
        differ = differ or bool(verified.divergence)
    judging.tell_left(teller, out)
    judging.tell_next(teller, out, explained, seed)
    if differ:
        raise typer.Exit(FAILED)
