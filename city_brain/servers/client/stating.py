"""What a server says of a subscription, asked once."""

import asyncio
from collections.abc import Mapping

import grpc.aio

from city_brain.errors import ServiceError
from city_brain.feeds.filters import Wanted, check_states_and_level
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.servers.client.printing import nobody_there, plain_cause
from city_brain.servers.codec.feeds import wanted_to_proto
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc

_NOBODY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def statement_of(
    endpoint: Endpoint, name: str, wanted: Wanted, holdings: Mapping[str, int], wait_s: float
) -> feed_pb2.Statement:
    """The statement of a subscription with this filter; `holdings` (revisions by id) are compared where there are any.

    Raises ServiceError where it is not answered, SettingsError where certificates or the address cannot be used.
    """
    endpoint.check()
    check_states_and_level(wanted)
    held = [feed_pb2.Holding(incident_id=key, revision=revision) for key, revision in holdings.items()]
    request = feed_pb2.GetStatementRequest(subscription=name, filter=wanted_to_proto(wanted), holdings=held)

    async def ask() -> feed_pb2.Statement:
        async with endpoint.channel() as channel:
            stub = feed_pb2_grpc.FeedServiceStub(channel)  # type: ignore[no-untyped-call]
            told: feed_pb2.Statement = await stub.GetStatement(request, timeout=wait_s)
            return told

    try:
        return asyncio.run(ask())
    except grpc.aio.AioRpcError as error:
        if error.code() in _NOBODY:
            why = plain_cause(f"{error.code().name}: {error.details()}")
            raise ServiceError(nobody_there(endpoint.address, why, endpoint.speaks_tls)) from error
        raise ServiceError(f"{endpoint.address}: {error.details()}") from error
