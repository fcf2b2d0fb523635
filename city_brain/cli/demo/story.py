"""The order in which the journey of the demo is told."""

from pathlib import Path
from typing import Final

import msgspec

from city_brain.cli.demo import judging
from city_brain.cli.demo.again import readings_again
from city_brain.cli.demo.choosing import contradicted, most_explained, near_miss, unsuspected
from city_brain.cli.demo.journey import INCIDENTS, Journey
from city_brain.cli.demo.pixels import Pixels, put_pixels, tell_pixels
from city_brain.cli.demo.telling import Teller
from city_brain.cli.synthesise import write
from city_brain.page.report import Report
from city_brain.scoring import read_answers, read_truth, score
from city_brain.site import time_zone
from city_brain.synth import Scene, SynthCity, SynthSettings
from city_brain.synth.files import TRUTH
from city_brain.synth.sights import Sights

WORLD: Final = SynthSettings(
    incidents_per_hour_per_100_cameras=400,
    distractors_per_hour_per_100_cameras=500,
    garbage_fraction=0.001,
)
"""A few junctions with far more incidents and hard negatives an hour than a city has, so that minutes are enough."""
STAGED: Final = Scene(name="stopped_before_camera", from_s=180)
"""So that a camera has something to show. What is before it stays as the seed draws it; a shorter demo goes without."""


def tell(out: Path, seed: int, cameras: int, minutes: float, zone: str) -> bool:
    """Tells it all; whether it came out the same in every way of reading."""
    settings = world(seed, cameras, minutes)
    hours = time_zone(zone)
    lines, pixels = _world(settings, out)
    journey = Journey.of(out)
    teller = Teller(journey.site.types, hours)
    journey.report = report = Report(journey.runner, zone, teller.instant)
    teller.city(journey, lines, settings.start_ms, minutes)
    teller.section("INCIDENTS", "as they are announced")
    journey.make(teller.announced)
    if all(incident.detected_ms is None for incident in journey.revisions):
        teller.line("none")
    tell_pixels(teller, pixels, journey.revisions)
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
    judging.write_page(report, out, figures)
    judging.tell_score(teller, figures, journey, truth)
    judging.tell_digest(teller, journey)
    differ = False
    for verified in readings_again(journey):
        judging.tell_again(teller, verified)
        differ = differ or bool(verified.divergence)
    judging.tell_left(teller, out)
    judging.tell_next(teller, out, explained, seed)
    return not differ


def world(seed: int, cameras: int, minutes: float) -> SynthSettings:
    """What is synthesised."""
    settings = msgspec.structs.replace(WORLD, seed=seed, cameras=cameras, minutes=minutes)
    return msgspec.structs.replace(settings, scenes=(STAGED,)) if settings.seconds > STAGED.from_s else settings


def _world(settings: SynthSettings, out: Path) -> tuple[int, Pixels | str]:
    """Writes the world, and what one of its cameras sees in pictures in the place of what was made up for it.

    How many lines arrived, and what came from pixels or why nothing did.
    """
    city, sights = SynthCity(settings), Sights()
    lines = write(city, out, sights.take)
    pixels = put_pixels(city, sights, read_truth((out / TRUTH).read_bytes()), out)
    return lines if isinstance(pixels, str) else lines + len(pixels.lines) - pixels.dropped, pixels
