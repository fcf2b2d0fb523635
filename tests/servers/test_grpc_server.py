"""Beside the feed: health says whether it may be trusted, reflection says what it speaks."""

import asyncio

import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.servers.serving import Served, run, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", "citybrain.feed.v1.FeedService"])
def test_health_follows_the_server(service: str) -> None:
    """Serving from the start, not while its input fails, and not from the moment it begins to stop."""

    async def test() -> None:
        async with serving() as served:
            health = health_pb2_grpc.HealthStub(served.channel)
            request = health_pb2.HealthCheckRequest(service=service)
            assert (await health.Check(request)).status == SERVING
            watch = health.Watch(request)
            assert (await watch.read()).status == SERVING
            await served.server.set_serving(False)
            assert (await watch.read()).status == NOT_SERVING
            await served.server.set_serving(True)
            assert (await watch.read()).status == SERVING
            stopping = asyncio.create_task(served.server.stop())
            assert (await watch.read()).status == NOT_SERVING
            await stopping

    run(test)


async def reflected(served: Served, **asked: str) -> reflection_pb2.ServerReflectionResponse:
    """The answer to one question of reflection."""
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**asked)]))
    return await call.read()


def test_reflection_tells_services_and_messages() -> None:
    """A generic client finds the calls of the feed and the fields of an incident, without our files."""

    async def test() -> None:
        async with serving() as served:
            told = await reflected(served, list_services="")
            names = {service.name for service in told.list_services_response.service}
            assert names >= {"citybrain.feed.v1.FeedService", "grpc.health.v1.Health"}
            told = await reflected(served, file_containing_symbol="citybrain.feed.v1.FeedService")
            files = [
                descriptor_pb2.FileDescriptorProto.FromString(data)
                for data in told.file_descriptor_response.file_descriptor_proto
            ]
            calls = {call.name for file in files for service in file.service for call in service.method}
            assert {"GetIncident", "ListIncidents", "WatchIncidents", "ExplainIncident"} <= calls
            told = await reflected(served, file_containing_symbol="citybrain.incident.v1.Incident")
            assert told.HasField("file_descriptor_response")

    run(test)
