"""`city-brain instruct`: a province tells a city something, and waits for what it says to it."""

import secrets
import sys
from typing import Annotated, Any, Literal

import typer

from city_brain.canonical import printable
from city_brain.cli.common import FAILED, JsonOption, epoch_ms, plural
from city_brain.cli.provincial.command import CaOption, CertificateOption, KeyOption, endpoint
from city_brain.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(instruct)


def instruct(
    address: Annotated[str, typer.Argument(help="host:port of the province.")],
    city: Annotated[str, typer.Argument(help="Code of the city.")],
    follow_up: Annotated[str, typer.Option("--follow-up", metavar="INCIDENT", help="Attend to this incident.")] = "",
    query: Annotated[bool, typer.Option("--query", help="Count incidents.")] = False,
    kinds: Annotated[list[str] | None, typer.Option("--type", help="With --query: only this incident type.")] = None,
    readiness: Annotated[
        Literal["I", "II", "III", "IV"] | None, typer.Option("--readiness", help="Stand by at this level.")
    ] = None,
    text: Annotated[str, typer.Option("--text", help="What shall be done, or why.")] = "",
    until: Annotated[
        str, typer.Option("--until", help="When it is due or over: RFC 3339 with an offset; --readiness needs it.")
    ] = "",
    name: Annotated[str, typer.Option("--id", help="Id of the instruction; the same again changes nothing.")] = "",
    wait_s: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for its end.")] = 10.0,
    tls_ca: CaOption = "",
    tls_certificate: CertificateOption = "",
    tls_key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell a city something: attend to an incident, count incidents, or stand by.

    Exit code 1 where the city refuses, or the time of the instruction is over.
    """
    from city_brain.province.serving.client import send_instruction
    from city_brain.wire.province.v1 import province_pb2

    if sum((bool(follow_up), query, readiness is not None)) != 1:
        raise SettingsError("instruct: wanted one of --follow-up, --query and --readiness, got none or several")
    if readiness is not None and not until:
        raise SettingsError("instruct --readiness: wanted --until, the time until which to stand by, got none")
    order = province_pb2.Instruction(instruction_id=name or f"order-{secrets.token_hex(8)}")
    due = epoch_ms(until, "--until") if until else None
    if follow_up:
        order.follow_up.incident_id, order.follow_up.text = follow_up, text
        if due is not None:
            order.follow_up.due_time.FromMilliseconds(due)
    elif query:
        order.query.filter.types.extend(kinds or ())
    elif readiness is not None:
        from city_brain.servers.codec.incidents import LEVELS

        order.readiness.level, order.readiness.text = LEVELS.number(readiness), text
        if due is not None:
            order.readiness.until_time.FromMilliseconds(due)
    state = send_instruction(endpoint(address, tls_ca, tls_certificate, tls_key), city, order, wait_s)
    progress = province_pb2.InstructionProgress.Name(state.progress).removeprefix("INSTRUCTION_PROGRESS_").lower()
    sys.stdout.write("\n".join(_json(state, progress) if as_json else _text(state, progress)) + "\n")
    if progress in ("refused", "expired"):
        raise typer.Exit(FAILED)


def _text(state: Any, progress: str) -> list[str]:
    from city_brain.wire.province.v1 import province_pb2

    done = province_pb2.INSTRUCTION_PROGRESS_DONE
    lines = [f"{state.instruction.instruction_id}  {state.city_code}  {progress}"]
    for answer in state.answers:
        lines += [printable(f"  {line}") for line in answer.text.splitlines()]
        if state.instruction.HasField("query") and answer.progress == done:
            lines.append(f"  {plural(answer.count, 'incident')}")
    return lines


def _json(state: Any, progress: str) -> list[str]:
    import json

    answers = [
        {"text": answer.text, "count": answer.count, "incidents": [json.loads(line) for line in answer.lines]}
        for answer in state.answers
    ]
    said = {
        "id": state.instruction.instruction_id,
        "city": state.city_code,
        "progress": progress,
        "issuer": state.instruction.issuer,
        "answers": answers,
    }
    return [json.dumps(said, ensure_ascii=False)]
