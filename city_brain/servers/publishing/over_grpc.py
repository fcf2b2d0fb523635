"""Publish: a stream of requests, each answered in its turn."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

import grpc.aio

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.observations.json_twin import Parsed
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.feed.refusing import refusing
from city_brain.servers.grpc_server import Offered
from city_brain.servers.publishing.intake import Intake, Taken, stopping
from city_brain.servers.publishing.judging import read_envelope, read_lines
from city_brain.wire.observation.v1 import publishing_pb2, publishing_pb2_grpc

SERVICE: Final = "citybrain.observation.v1.ObservationService"


def offered(intake: Intake) -> Offered:
    """The service, for a server to have beside its feed."""

    def add(server: grpc.aio.Server, doors: Doors) -> None:
        service = ObservationService(intake, doors)
        publishing_pb2_grpc.add_ObservationServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]

    return Offered(SERVICE, add, lambda: intake.refuse(stopping()))


class ObservationService(publishing_pb2_grpc.ObservationServiceServicer):
    """Takes observations into one intake."""

    def __init__(self, intake: Intake, doors: Doors) -> None:
        self._intake, self._doors = intake, doors

    @refusing
    async def Publish(  # noqa: N802 (the name of the call)
        self, requests: AsyncIterator[publishing_pb2.PublishRequest], context: grpc.aio.ServicerContext
    ) -> None:
        """Answers each request, until the publisher has said all, or nothing is taken any more."""
        may_warn = "warnings.publish" in self._doors.caller(context).permissions
        with self._intake.publisher() as intake:
            over = asyncio.ensure_future(intake.refused_for())
            try:
                while (request := await _next(requests, over)) is not None:
                    taken = await intake.take(self._read(request), request.ByteSize(), may_warn=may_warn)
                    await context.write(_answer(request.number, taken))
            finally:
                over.cancel()

    def _read(self, request: publishing_pb2.PublishRequest) -> Callable[[], Parsed]:
        most = self._intake.settings.request_rows
        match request.WhichOneof("observations"):
            case "envelope":
                return partial(read_envelope, request.envelope, most)
            case "lines":
                return partial(read_lines, request.lines, most)
        raise RefusedError(Reason.BAD_REQUEST, "observations: wanted an envelope or lines, got neither", "observations")


async def _next(
    requests: AsyncIterator[publishing_pb2.PublishRequest], over: "asyncio.Future[RefusedError]"
) -> publishing_pb2.PublishRequest | None:
    """The next request, None behind the last; raises RefusedError where nothing is taken any more."""
    reading = asyncio.ensure_future(anext(aiter(requests), None))
    await asyncio.wait((reading, over), return_when=asyncio.FIRST_COMPLETED)
    if not reading.done():
        reading.cancel()
        raise over.result()
    return reading.result()


def _answer(number: int, taken: Taken) -> publishing_pb2.PublishResponse:
    return publishing_pb2.PublishResponse(
        number=number,
        accepted=taken.accepted,
        duplicate=taken.duplicate,
        refused=taken.refused,
        refusals=[
            publishing_pb2.Refusal(row=fault.line, field=fault.field, wanted=fault.wanted, got=fault.got)
            for fault in taken.refusals
        ],
    )
