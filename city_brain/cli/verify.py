"""`city-brain verify`: a recording read in every permitted way must give one digest."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.cli.common import OUTPUTS_DIFFER, JsonOption, MapOption, Progress, TypesOption, open_map, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.replay.comparing import Comparison
    from city_brain.replay.replay import Recording
    from city_brain.replay.verifying import Verified
    from city_brain.site import Site


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(verify)


def verify(
    observations: Annotated[str, typer.Argument(help="JSON lines, plain or Zstandard.")],
    map_path: MapOption,
    types: TypesOption = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Only the first so many minutes.")] = None,
    restores: Annotated[int, typer.Option("--restores", min=1, help="Restores from bytes at random places.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Of permutations, splits and restore points.")] = 1,
    partitions: Annotated[
        int, typer.Option("--partitions", min=1, help="Also fuse in so many partitions; 1: do not.")
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Check that orders, groupings, splits, restores and machines change nothing; exit 4 and the first divergence if
    they do.
    """
    from city_brain.replay.replay import Recording
    from city_brain.replay.verifying import Effort, Verified, environments, other_processes, ways
    from city_brain.sources.recording import read_blocks

    progress, found = Progress("verify"), list[Verified]()

    def take(verified: Verified) -> None:
        progress.done()
        found.append(verified)
        if not as_json:
            _print_way(verified)
        progress.show(f"{plural(len(found), 'way')} read")

    progress.show(f"reads {observations}")
    if minutes is not None and not minutes > 0.0:
        raise SettingsError(f"--minutes: wanted more than 0, got {minutes}")
    site = open_map(map_path, types)
    recording = _first_minutes(Recording.read(read_blocks(observations)), minutes)
    progress.show("reads it the first way, the measure of the others")
    for verified in ways(recording, Effort(restores=restores), site.runner, seed):
        take(verified)
    if minutes is None:
        own_types = [] if types is None else ["--types", str(types)]
        command = ["fuse", observations, "--map", str(map_path), "--incidents", os.devnull, "--json", *own_types]
        for name, digest, ticks in other_processes(command, environments()):
            divergence = "" if digest == found[0].digest else f"wanted {found[0].digest}, got {digest}"
            take(Verified(way=name, digest=digest, ticks=ticks, divergence=divergence))
    compared = _in_partitions(site, recording, partitions) if partitions > 1 else None
    progress.done()
    _print_end(found, compared, as_json)
    if any(verified.divergence for verified in found) or (compared and not compared.same):
        raise typer.Exit(OUTPUTS_DIFFER)


def _first_minutes(recording: "Recording", minutes: float | None) -> "Recording":
    import numpy as np

    if minutes is None:
        return recording
    arrival_ms = recording.observations.common.arrival_ms
    kept = np.flatnonzero(arrival_ms < np.sort(arrival_ms)[len(arrival_ms) // 100] + 60_000 * minutes)
    return type(recording)(recording.observations.take(kept), recording.line[kept], recording.dead_lettered)


def _in_partitions(site: "Site", recording: "Recording", partitions: int) -> "Comparison":
    """The answer of one partition against that of several."""
    import msgspec

    from city_brain.replay.comparing import compare
    from city_brain.replay.plans import as_recorded
    from city_brain.replay.replay import run

    plan = as_recorded(recording.observations.common.arrival_ms, 256)
    answers = []
    for count in (1, partitions):
        shared = type(site)(site.ground, site.types, msgspec.structs.replace(site.settings, partitions=count))
        ticks = run(recording, plan, shared.runner)
        answers.append([incident for closed in ticks for incident in closed.record.incidents])
    return compare(*answers)


def _print_way(verified: "Verified") -> None:
    more = f", {100 * verified.displaced:.0f} % of the rows displaced" if verified.displaced else ""
    typer.echo(f"{'DIFFERS' if verified.divergence else 'same   '} {verified.digest[:16]} {verified.way}{more}")
    if verified.divergence:
        typer.echo(f"        {verified.divergence}")


def _print_end(found: "list[Verified]", compared: "Comparison | None", as_json: bool) -> None:
    import msgspec

    if as_json:
        typer.echo(msgspec.json.encode({"ways": found, "partitions": compared}))
        return
    if compared:
        typer.echo(
            f"partitions: {100 * compared.share:.1f} % of the incidents the same, within {compared.worst_m:.1f} m and "
            f"{compared.worst_s:.1f} s; " + ("; ".join(compared.alone) or "none alone")
        )
    digests = len({verified.digest for verified in found})
    typer.echo(f"{plural(len(found), 'way')}, {plural(digests, 'digest')}, {plural(found[0].ticks, 'tick')}")
