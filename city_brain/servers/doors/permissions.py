"""Each call of each service, and the permission that it takes."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from google.protobuf import descriptor_pool

from city_brain.errors import SettingsError

OPEN: Final = "open"
"""Not a permission: the call is for everybody, also for who is not known."""
KNOWN: Final = "known"
"""Not a permission: the call is for everybody whom the policy names, and for the local operator."""

WORDS: Final = (
    "feed.read",
    "feed.watch",
    "feed.explain",
    "feed.subscribe",
    "observations.publish",
    "warnings.publish",
    "province.read",
    "province.report",
    "province.command",
)
"""What a policy may grant."""

PERMISSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/citybrain.feed.v1.FeedService/GetIncident": "feed.read",
        "/citybrain.feed.v1.FeedService/ListIncidents": "feed.read",
        "/citybrain.feed.v1.FeedService/WatchIncidents": "feed.watch",
        "/citybrain.feed.v1.FeedService/ExplainIncident": "feed.explain",
        "/citybrain.feed.v1.FeedService/ProveIncident": "feed.read",
        "/citybrain.feed.v1.FeedService/GetStatement": "feed.subscribe",
        "/citybrain.feed.v1.FeedService/DeleteSubscription": "feed.subscribe",
        "GET /": "feed.read",
        "GET /v1/city": "feed.read",
        "GET /v1/incidents": "feed.read",
        "GET /v1/incidents/{id}": "feed.read",
        "GET /v1/incidents:watch": "feed.watch",
        "GET /v1/incidents/{id}:explain": "feed.explain",
        "/citybrain.observation.v1.ObservationService/Publish": "observations.publish",
        "POST /v1/observations": "observations.publish",
        "/citybrain.province.v1.ProvinceService/Report": "province.report",
        "/citybrain.province.v1.ProvinceService/ListCities": "province.read",
        "/citybrain.province.v1.ProvinceService/SendInstruction": "province.command",
        "/citybrain.province.v1.ProvinceService/GetInstruction": "province.read",
        "/citybrain.province.v1.ProvinceService/ListInstructions": "province.read",
        # Orchestrators and balancers ask before they know any secret; the answer is one word.
        "/grpc.health.v1.Health/Check": OPEN,
        # A stream without an end takes a place, of which there are not as many as strangers.
        "/grpc.health.v1.Health/Watch": KNOWN,
        "/grpc.health.v1.Health/List": OPEN,
        # Says which calls exist and nothing of the city, yet strangers need not know it.
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": KNOWN,
    }
)
"""Full name of the call, as HTTP/2 carries it, or method and path of plain HTTP, to what it takes."""


def calls_of(service: str) -> list[str]:
    """The full names of the calls of a service, from its descriptor; raises SettingsError for an unknown service."""
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError as wrong:
        raise SettingsError(f"service {service}: wanted one with a descriptor, got none") from wrong
    return [f"/{service}/{method.name}" for method in found.methods]


def check_declared(services: Iterable[str], permissions: Mapping[str, str] = PERMISSIONS) -> None:
    """Raises SettingsError for a call of these services that says nothing of what it takes, or takes no known word."""
    for service in services:
        for call in calls_of(service):
            word = permissions.get(call)
            if word not in (*WORDS, OPEN, KNOWN):
                raise SettingsError(
                    f"call {call}: wanted a permission that it takes, or {OPEN!r} or {KNOWN!r}, got {word!r}"
                )
