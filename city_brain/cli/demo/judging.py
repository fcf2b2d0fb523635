"""What the demo prints at the end: the score, the digests, what lies on disk, what to try next."""

import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from city_brain.cli.common import plural
from city_brain.cli.demo.choosing import NEAR_M
from city_brain.cli.demo.journey import INCIDENTS, REPORT, TICKS, TRACKS, Journey
from city_brain.cli.demo.telling import Teller
from city_brain.cli.outputs import write_report
from city_brain.incidents.explain import explanation_text
from city_brain.incidents.incident import Incident
from city_brain.inquiry.spells import BlindSpell
from city_brain.page import document
from city_brain.page.report import Report
from city_brain.replay.verifying import Verified
from city_brain.scoring import Score, Truth
from city_brain.scoring.records import TrueIncident
from city_brain.synth.files import IDENTITY, MAP, OBSERVATIONS, TRUTH

SCORE: Final = "score.json"
EXPLANATIONS: Final = "explanations.txt"
_FILES: Final = {
    MAP: "the map: opens in QGIS",
    OBSERVATIONS: "what arrived, a line each",
    INCIDENTS: "every revision of every incident",
    TICKS: "the tick log that the digest is of",
    TRACKS: "which camera's track was which object",
    TRUTH: "what really happened; never read by what is scored",
    IDENTITY: "which object each track really was",
    EXPLANATIONS: "why each incident was believed, to the log position",
    SCORE: "the score, in full",
    REPORT: "all of it to look at: open it in a browser",
}


def tell_score(teller: Teller, score: Score, journey: Journey, truth: Truth) -> None:
    """How good the answer was; what was missed and what was false by name."""
    whole = score.overall
    missed, twice = whole.true - whole.detected, round((whole.duplicates_per_detected or 0.0) * whole.detected)
    found = f"{whole.detected} found, {missed} missed, {plural(whole.false_alarms, 'false alarm')}"
    were = "incident was" if whole.true == 1 else "incidents were"
    teller.section("SCORE", f"{whole.true} {were} real: {found}")
    wait_s, away_m = whole.ttd_s.mean, whole.location_error_m.mean
    if wait_s is not None and away_m is not None:
        teller.line(
            f"mean {wait_s:.0f} s from visible to announced, mean {away_m:.1f} m off, "
            f"{twice} announced twice, {score.mistyped} under another type"
        )
    for miss in score.missed:
        named = f"; announced as {miss.mistyped_as}" if miss.mistyped_as else ""
        what = f"missed {miss.incident_id} {miss.type} at {teller.clock(miss.start)} ({miss.note}){named}"
        teller.line(what, "red")
    for alarm in score.false:
        near = "no hard negative near"
        if alarm.distractor is not None and alarm.distractor_m is not None and alarm.distractor_m <= NEAR_M:
            near = f"{alarm.distractor.replace('_', ' ')} {alarm.distractor_m:.0f} m away"
        teller.line(f"false {alarm.type} at {teller.clock(alarm.detected_ms)}; {near}", "red")
    if score.coverage is not None and score.coverage.true + score.coverage.false_alarms:
        lost, silent = score.coverage, truth.coverage_lost or ()
        shown = sum(any(_overlap(spell, camera) for spell in journey.spells.all) for camera in silent)
        false = f", {plural(lost.false_alarms, 'such incident')} of one that spoke" if lost.false_alarms else ""
        teller.line(
            f"apart: {plural(lost.true, 'camera')} fell silent; {shown} shown as blind meanwhile, "
            f"{lost.detected} silent for long enough to be announced as an incident{false}"
        )


def _overlap(spell: BlindSpell, camera: TrueIncident) -> bool:
    """Whether what a camera sees was shown as blind while that was silent; the synthetic truth notes which it is."""
    return spell.area.source_id == camera.note and spell.since_ms <= camera.end and spell.until_ms >= camera.start


def tell_digest(teller: Teller, journey: Journey) -> None:
    """The digest of the tick log."""
    answer = journey.answer
    teller.section("THE SAME", f"the log of {answer.head.size} ticks, read again in other ways")
    teller.line(f"digest    {answer.digest}")


def tell_again(teller: Teller, verified: Verified) -> None:
    """Whether another way of reading gave the same digest."""
    if verified.divergence:
        teller.line(f"DIFFERS   {verified.way}: {verified.digest}", "bold red")
        teller.line(verified.divergence)
    else:
        teller.line(f"the same  {verified.way}", "green")


def write_answers(journey: Journey, teller: Teller, score: Score) -> None:
    """Leaves the score and all explanations on disk."""
    newest = {incident.incident_id: incident for incident in journey.revisions}
    counts = Counter(incident.incident_id for incident in journey.revisions)
    told = [
        explanation_text(incident, journey.site.types, "en", teller.instant, counts[name])
        for name, incident in newest.items()
    ]
    (journey.folder / EXPLANATIONS).write_text("\n".join(told), encoding="utf-8")
    (journey.folder / SCORE).write_bytes(msgspec.json.format(msgspec.json.encode(score)) + b"\n")


def write_page(report: Report, folder: Path, score: Score) -> None:
    """Leaves the page, which knows the truth."""
    whole = score.overall
    report.truth = document.Truth(
        real=whole.true,
        found=whole.detected,
        delay_s=whole.ttd_s.mean,
        off_m=whole.location_error_m.mean,
        false=tuple(alarm.incident_id for alarm in score.false),
        missed=tuple(
            document.Missed(type=miss.type, lon=miss.lon, lat=miss.lat, start_ms=miss.start) for miss in score.missed
        ),
    )
    write_report(report, str(folder / REPORT))


def tell_left(teller: Teller, folder: Path) -> None:
    """What lies on disk."""
    teller.section("LEFT", f"in {folder}")
    for name, what in _FILES.items():
        size = (folder / name).stat().st_size
        teller.line(f"{name:23} {max(round(size / 1000), 1):6} kB  {what}")


def tell_next(teller: Teller, folder: Path, explained: Incident | None, seed: int) -> None:
    """Commands that work from here."""
    program, number = program_words(), (explained.number,) if explained else ()
    observations, city_map = folder / OBSERVATIONS, folder / MAP
    teller.section("NEXT")
    for command, note in (
        (("explain", folder / INCIDENTS), ""),
        (("explain", folder / INCIDENTS, *number, "--language", "zh"), ""),
        (("fuse", observations, "--map", city_map, "--incidents", folder / "again.jsonl"), ""),
        (("verify", observations, "--map", city_map, "--minutes", 2), ""),
        (("score", folder / TRUTH, folder / INCIDENTS), ""),
        (("score", "--pairs", folder / IDENTITY, folder / TRACKS), ""),
        (("run", folder, "--from", observations, "--rate", 10), "goes on until Ctrl-C"),
        (("watch",), "in a second terminal, meanwhile"),
        (("demo", "--seed", seed + 1), ""),
    ):
        said = shlex.join([*program, *map(str, command)])
        teller.line(f"{said}    # {note}" if note else said)


def program_words() -> list[str]:
    """How this program is called from the folder in which it runs."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "city_brain"]
    found = shutil.which(called.name)
    if found is not None and Path(found).resolve() == called.resolve():
        return [called.name]
    here, whole = Path.cwd(), called.absolute()
    return [str(whole.relative_to(here) if whole.is_relative_to(here) else whole)]
