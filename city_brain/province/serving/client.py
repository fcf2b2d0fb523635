"""What people ask of a province: its cities, and instructions to them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from city_brain.errors import ServiceError
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc

WAIT_S = 10.0
"""How long an answer may take."""
Answer = TypeVar("Answer")


def list_cities(endpoint: Endpoint) -> list[province_pb2.City]:
    """Every city of a province, by code; raises ServiceError where it does not say."""
    request = province_pb2.ListCitiesRequest()
    return list(_asked(endpoint, lambda stub: stub.ListCities(request, timeout=WAIT_S)).cities)


def send_instruction(
    endpoint: Endpoint, city: str, instruction: province_pb2.Instruction, wait_s: float
) -> province_pb2.InstructionState:
    """Sends an instruction and waits up to `wait_s` for its end; returns where it is then. Raises ServiceError."""
    request = province_pb2.SendInstructionRequest(city_code=city, instruction=instruction)

    async def send(stub: Any) -> province_pb2.InstructionState:
        state: province_pb2.InstructionState = await stub.SendInstruction(request, timeout=WAIT_S)
        asked = province_pb2.GetInstructionRequest(instruction_id=instruction.instruction_id)
        now = asyncio.get_running_loop().time
        until = now() + wait_s
        while state.progress < province_pb2.INSTRUCTION_PROGRESS_DONE and now() < until:
            await asyncio.sleep(0.2)
            state = await stub.GetInstruction(asked, timeout=WAIT_S)
        return state

    return _asked(endpoint, send)


def _asked(endpoint: Endpoint, ask: Callable[[Any], Awaitable[Answer]]) -> Answer:
    async def within() -> Answer:
        async with endpoint.channel() as channel:
            stub = province_pb2_grpc.ProvinceServiceStub(channel)  # type: ignore[no-untyped-call]
            return await ask(stub)

    try:
        return asyncio.run(within())
    except grpc.aio.AioRpcError as wrong:
        code = wrong.code().name
        message = f"{endpoint.address}: wanted an answer of a province, got {code}: {wrong.details()}"
        raise ServiceError(message) from wrong
