"""Orders and answers that are large: whoever is on duty can still ask for them."""

import asyncio
from pathlib import Path

from city_brain.province.books.plausible import SHOWN_BYTES, TEXT_MAX
from city_brain.wire.province.v1 import province_pb2
from tests.province.test_over_grpc import asking, province_at
from tests.servers.serving import run

COUNT = 150
LARGE = 900_000
PROGRESS = (
    province_pb2.INSTRUCTION_PROGRESS_RECEIVED,
    province_pb2.INSTRUCTION_PROGRESS_DONE,
    province_pb2.INSTRUCTION_PROGRESS_REFUSED,
)


def an_order(number: int) -> province_pb2.SendInstructionRequest:
    """With as long a text as there may be."""
    follow_up = province_pb2.FollowUp(incident_id="a", text="督" * TEXT_MAX)
    order = province_pb2.Instruction(instruction_id=f"urge-{number}", follow_up=follow_up)
    return province_pb2.SendInstructionRequest(city_code="370100", instruction=order)


def test_long_orders_and_answers_are_still_listed_and_got(tmp_path: Path) -> None:
    """The list is as long as a message holds; of what a city answers as much is kept as can be sent on."""

    async def test() -> None:
        async with province_at(tmp_path) as address, asking(address) as stub:
            for number in range(COUNT):
                await stub.SendInstruction(an_order(number))
            call = stub.Report()
            hello = province_pb2.Hello(city_code="370100", feed_id="feed-1", first_change_number=1)
            await call.write(province_pb2.CityMessage(hello=hello))
            for progress in PROGRESS:
                answer = province_pb2.Answer(
                    instruction_id="urge-0", progress=progress, text="x" * LARGE, lines=[b"{}", b"x" * LARGE]
                )
                await call.write(province_pb2.CityMessage(answer=answer))
            asked = province_pb2.GetInstructionRequest(instruction_id="urge-0")
            async with asyncio.timeout(20.0):
                while len((got := await stub.GetInstruction(asked)).answers) < len(PROGRESS):
                    await asyncio.sleep(0.02)
            call.cancel()
            assert [(answer.progress, len(answer.text)) for answer in got.answers] == [
                (progress, TEXT_MAX) for progress in PROGRESS
            ]
            assert all(list(answer.lines) == [b"{}"] and LARGE > SHOWN_BYTES for answer in got.answers)
            listed = (await stub.ListInstructions(province_pb2.ListInstructionsRequest())).instructions
            assert 20 < len(listed) < COUNT
            assert all(len(state.instruction.follow_up.text) == TEXT_MAX for state in listed)

    run(test)
