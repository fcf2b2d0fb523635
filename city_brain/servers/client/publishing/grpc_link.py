"""Requests over Publish: several underway, answered in their order."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Final

import grpc
import grpc.aio

from city_brain.errors import ServiceError
from city_brain.observations.json_twin.describing import Fault
from city_brain.servers.client.feed_reader import Endpoint, reason_of
from city_brain.servers.client.publishing.publisher import Answered, BrokenError, Feeder, Request
from city_brain.servers.publishing.intake import Taken
from city_brain.wire.observation.v1 import publishing_pb2, publishing_pb2_grpc

WINDOW: Final = 8
"""Requests underway that are not answered yet."""
_FINAL: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Sending the same again would not help."""


class GrpcLink:
    """Publish of a city."""

    def __init__(self, endpoint: Endpoint) -> None:
        endpoint.check_pair()
        self.place, self._endpoint = endpoint.address, endpoint

    async def send(self, unanswered: "deque[Request]", feeder: Feeder, answered: Answered) -> None:
        """See `Link`."""
        async with self._endpoint.channel() as channel:
            call = publishing_pb2_grpc.ObservationServiceStub(channel).Publish()  # type: ignore[no-untyped-call]
            room = asyncio.Event()
            writing = asyncio.ensure_future(self._write(call, unanswered, feeder, room))
            reading = asyncio.ensure_future(self._read(call, unanswered, answered, room))
            try:
                await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
                if writing.done() and (wrong := writing.exception()) is not None:
                    raise wrong
                await reading
            except grpc.aio.AioRpcError as error:
                raise self._meant(error) from error
            finally:
                writing.cancel()
                reading.cancel()
                await asyncio.gather(writing, reading, return_exceptions=True)
            if unanswered or not writing.done():
                raise BrokenError("the city ended the call")

    @staticmethod
    async def _write(call: Any, unanswered: "deque[Request]", feeder: Feeder, room: asyncio.Event) -> None:
        with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):  # the reading says why
            for known in tuple(unanswered):
                await call.write(_message(known))
            while True:
                while len(unanswered) >= WINDOW:
                    room.clear()
                    await room.wait()
                request = await feeder.next()
                if request is None:
                    await call.done_writing()
                    return
                unanswered.append(request)
                await call.write(_message(request))

    @staticmethod
    async def _read(call: Any, unanswered: "deque[Request]", answered: Answered, room: asyncio.Event) -> None:
        while (response := await call.read()) is not grpc.aio.EOF:
            if not unanswered or response.number != unanswered[0].number:
                raise ServiceError(f"publish: wanted answers in order, got one to request {response.number}")
            answered(unanswered.popleft(), _taken(response))
            room.set()
        code = await call.code()
        if code is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
            )

    def _meant(self, error: grpc.aio.AioRpcError) -> Exception:
        reason, said = reason_of(error), f"{error.details()}"
        too_large = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and not reason
        if error.code() in _FINAL or too_large:
            return ServiceError(f"{self.place}: {said}")
        return BrokenError(f"{reason or error.code().name}: {said}")


def _message(request: Request) -> publishing_pb2.PublishRequest:
    form = "envelope" if request.is_envelope else "lines"
    return publishing_pb2.PublishRequest(number=request.number, **{form: request.value})


def _taken(response: publishing_pb2.PublishResponse) -> Taken:
    return Taken(
        accepted=response.accepted,
        duplicate=response.duplicate,
        refused=response.refused,
        refusals=tuple(
            Fault(line=one.row, field=one.field, wanted=one.wanted, got=one.got) for one in response.refusals
        ),
    )
