"""`city-brain bag …`: recordings of topics, made, looked into, played, run again, spoilt on purpose and mended."""

import typer

from city_brain.cli.recordings.capsules import capsule
from city_brain.cli.recordings.commands import doctor, info, list_records, recover
from city_brain.cli.recordings.comparing import diff, golden_add, golden_bless, golden_check
from city_brain.cli.recordings.converting import convert
from city_brain.cli.recordings.editing import cut, filter_records, merge
from city_brain.cli.recordings.faults import fault
from city_brain.cli.recordings.playing import run, step, verify
from city_brain.cli.recordings.taping import play, record


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    bag = typer.Typer(no_args_is_help=True, help="Record topics, play and run recordings, look into them, mend them.")
    bag.command("info")(info)
    bag.command("ls")(list_records)
    bag.command("record")(record)
    bag.command("play")(play)
    bag.command("run")(run)
    bag.command("step")(step)
    bag.command("verify")(verify)
    bag.command("fault")(fault)
    bag.command("convert")(convert)
    bag.command("cut")(cut)
    bag.command("filter")(filter_records)
    bag.command("merge")(merge)
    bag.command("doctor")(doctor)
    bag.command("recover")(recover)
    bag.command("diff")(diff)
    bag.command("capsule")(capsule)
    golden = typer.Typer(no_args_is_help=True, help="Recordings with the incidents that are expected of them.")
    golden.command("add")(golden_add)
    golden.command("check")(golden_check)
    golden.command("bless")(golden_bless)
    bag.add_typer(golden, name="golden")
    app.add_typer(bag, name="bag")
