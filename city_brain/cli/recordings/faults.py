"""`city-brain bag fault`: a recording with faults in it, as a new one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import JsonOption, Progress, keep_apart, plural
from city_brain.errors import SettingsError

if TYPE_CHECKING:
    from city_brain.playback.faults import Plan

FaultOption = Annotated[
    list[str] | None,
    typer.Option("--fault", help="A fault, as drop:share=0.1,topics=reports; may be given again."),
]
PlanOption = Annotated[Path | None, typer.Option("--plan", help=r"A plan of faults (TOML: seed, [\[faults]]).")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Of all decisions, in place of the plan's own.")]


def plan_of(plan: Path | None, faults: list[str] | None, seed: int | None) -> "Plan":
    """The plan that the options of a command give: those of the file first."""
    from city_brain.playback.faults import Plan, fault_of, read_plan

    base = Plan() if plan is None else read_plan(plan)
    more = tuple(fault_of(words) for words in faults or ())
    return Plan(seed=base.seed if seed is None else seed, faults=base.faults + more)


def fault(
    file: Annotated[Path, typer.Argument(metavar="IN", help="A recording (*.mcap), its first segment.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new one.")],
    faults: FaultOption = None,
    plan: PlanOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a recording with faults: drop, duplicate, delay, reorder, skew, blackout, stuck, corrupt.

    The same seed gives the same faults, whatever other faults are in the plan. Marks and configurations are spared.
    IN stays as it is.
    """
    import msgspec

    from city_brain.playback.faults.baking import bake

    wanted = plan_of(plan, faults, seed)
    if not wanted.faults:
        raise SettingsError("bag fault: wanted a --plan or a --fault, got none")
    keep_apart([file], [out])
    progress = Progress("bag fault")
    try:
        baked = bake(file, out, wanted, lambda read: progress.show(plural(read, "record")))
    finally:
        progress.done()
    if as_json:
        typer.echo(msgspec.json.encode(msgspec.to_builtins(baked) | {"out": str(out)}))
        return
    typer.echo(printable(f"{out}: {plural(baked.written, 'record')} of {baked.read}"))
    for name, hits in baked.hits.items():
        typer.echo(printable(f"  {name}: {plural(hits, 'time')}"))
