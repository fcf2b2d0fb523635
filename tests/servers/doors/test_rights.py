"""What callers may do and know, over real handshakes: every call by every department, and only within its scope."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import msgspec
import pytest
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from city_brain.errors import SettingsError
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.codec.incidents import incident_from_proto
from city_brain.servers.doors.denials import Denials
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.doors.peers import Peer
from city_brain.servers.doors.permissions import KNOWN, OPEN, PERMISSIONS, WORDS
from city_brain.servers.feed.refusing import status_of
from city_brain.servers.repeats import TOLD_EVERY_S
from city_brain.servers.settings import ListenSettings
from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import NAMES, a_log, an_incident
from tests.servers.doors.guarded import FIRE, POLICE, Town, guarded
from tests.servers.serving import Served, changes, refusal, run, serving

FEED, REFLECTION = "/citybrain.feed.v1.FeedService/", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEALTH = health_pb2.HealthCheckRequest()
Ask = Callable[[Served], Awaitable[object]]

CALLS: dict[str, Ask] = {
    f"{FEED}GetIncident": lambda c: c.stub.GetIncident(feed_pb2.GetIncidentRequest(name="incidents/a")),
    f"{FEED}ListIncidents": lambda c: c.stub.ListIncidents(feed_pb2.ListIncidentsRequest()),
    f"{FEED}WatchIncidents": lambda c: c.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()])).read(),
    f"{FEED}ExplainIncident": lambda c: c.stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(name="incidents/a")),
    f"{FEED}GetStatement": lambda c: c.stub.GetStatement(feed_pb2.GetStatementRequest(subscription="s")),
    f"{FEED}DeleteSubscription": lambda c: c.stub.DeleteSubscription(
        feed_pb2.DeleteSubscriptionRequest(subscription="s")
    ),
    f"{FEED}ProveIncident": lambda c: c.stub.ProveIncident(feed_pb2.ProveIncidentRequest(name="incidents/a")),
    "/grpc.health.v1.Health/Check": lambda c: health_pb2_grpc.HealthStub(c.channel).Check(HEALTH),
    "/grpc.health.v1.Health/Watch": lambda c: health_pb2_grpc.HealthStub(c.channel).Watch(HEALTH).read(),
    "/grpc.health.v1.Health/List": lambda c: health_pb2_grpc.HealthStub(c.channel).List(health_pb2.HealthListRequest()),
    REFLECTION: lambda c: _reflected(c),
}
"""Each call of the served services, asked once."""


def _reflected(client: Served) -> Awaitable[object]:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    return reflection_pb2_grpc.ServerReflectionStub(client.channel).ServerReflectionInfo(asked).read()


REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


async def told(ask: Awaitable[object]) -> str:
    """`let in`, whatever the call then says; or how the doors refuse it."""
    try:
        await ask
    except grpc.aio.AioRpcError as error:
        if error.code() in REFUSED:
            return f"{error.code().name} {_reason(rpc_status.from_call(error))}"
    return "let in"


def _reason(status: status_pb2.Status) -> str:
    from google.rpc import error_details_pb2

    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return str(info.reason)


def test_each_call_of_the_served_services_is_asked_here() -> None:
    """So that a new one is."""
    assert set(CALLS) == {call for call in PERMISSIONS if call.startswith((FEED, "/grpc."))}


def test_each_call_takes_its_permission_and_no_other(tmp_path: Path) -> None:
    """Departments with one word each, with all, and with none, by calls: allowed where the table says, else refused."""
    town = Town(tmp_path)
    departments = {f"with-{word.replace('.', '-')}": [word] for word in WORDS} | {"all": list(WORDS), "none": []}
    town.decide(
        "".join(
            f'[departments.{name}]\ncertificates = ["dns:{name}.city.example"]\npermissions = {words}\n'
            for name, words in departments.items()
        )
    )

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city:
            refused = 0
            for name, words in departments.items():
                async with city.client(town.client(f"{name}.city.example")) as client:
                    for call, ask in CALLS.items():
                        allowed = PERMISSIONS[call] in (OPEN, KNOWN, *words)
                        wanted = "let in" if allowed else "PERMISSION_DENIED NOT_ALLOWED"
                        assert (name, call, await told(ask(client))) == (name, call, wanted)
                        refused += not allowed
            assert city.server.doors.denials.by_reason == {Reason.NOT_ALLOWED: refused}
            assert sum(city.server.doors.denials.by_call.values()) == refused > 20

    run(test)


def test_a_stranger_learns_whether_the_server_is_well_and_nothing_else(tmp_path: Path) -> None:
    """With a certificate of nobody."""
    town = Town(tmp_path)

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client("x.example")) as client:
            for call, ask in CALLS.items():
                wanted = "let in" if PERMISSIONS[call] == OPEN else "UNAUTHENTICATED NOT_KNOWN"
                assert (call, await told(ask(client))) == (call, wanted)

    run(test)


@pytest.mark.parametrize("permissions", [[], ["feed.read"], list(WORDS)])
def test_callers_without_certificates_do_what_the_policy_grants_them(tmp_path: Path, permissions: list[str]) -> None:
    """On a port for strangers; reflection is not for them, whatever they may."""
    town = Town(tmp_path)
    town.decide(f'[anonymous]\npermissions = {permissions}\ntypes = ["crash"]\n')
    listen = msgspec.structs.replace(
        town.listen, address="0.0.0.0:0", tls_client_ca="", tls_certificate="", tls_key="", insecure_listen=True
    )

    async def test() -> None:
        async with serving(a_log([an_incident("a"), an_incident("f", type="fire")]), listen=listen) as client:
            for call, ask in CALLS.items():
                allowed = PERMISSIONS[call] in (OPEN, *permissions)
                wanted = "let in" if allowed else "PERMISSION_DENIED NOT_ALLOWED"
                assert (call, await told(ask(client))) == (call, wanted)
            if permissions:
                listed = await client.stub.ListIncidents(feed_pb2.ListIncidentsRequest())
                assert [incident.incident_id for incident in listed.incidents] == ["a"]

    run(test)


@pytest.mark.parametrize(
    ("policy", "settings", "said"),
    [
        (
            "[departments.x]\ncertificates = ['cn:x']\npermissions = []",
            {"tls_client_ca": ""},
            "wanted client authorities",
        ),
        ("[anonymous]\npermissions = []", {}, "anonymous: wanted none where every client shows a certificate"),
        ("[departments.x]\ncertificates = ['cn:x']\npermissions = []\ntypes = ['crsh']", {}, "did you mean 'crash'"),
        (None, {}, "policy: wanted a file that can be read, got .*policy.toml"),
        ("[anonymous]\npermissions = []", {"tls_certificate": "", "tls_key": ""}, "beside the client authorities"),
        ("[anonymous]\npermissions = []", {"tls_client_ca": "server.key"}, "client authorities: wanted certificates"),
        ("[anonymous]\npermissions = []", {"tls_client_ca": "none.pem"}, "client authorities: wanted a file"),
    ],
)
def test_doors_that_do_not_fit_keep_the_server_from_starting(
    tmp_path: Path, policy: str | None, settings: dict[str, str], said: str
) -> None:
    """Departments that could never be known, strangers that could never come, names that the city does not have."""
    town = Town(tmp_path)
    if policy is None:
        (tmp_path / "policy.toml").unlink()
    else:
        town.decide(policy)
    changed = {name: str(tmp_path / value) if "." in value else value for name, value in settings.items()}

    async def test() -> None:
        with pytest.raises(SettingsError, match=said):
            async with guarded(town, listen=msgspec.structs.replace(town.listen, **changed)):
                pass

    run(test)


async def _status(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, bytes]:
    """Everything that the wire says of a refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as wrong:
        await call
    details = dict(wrong.value.trailing_metadata())["grpc-status-details-bin"]
    return wrong.value.code(), wrong.value.details(), details


def test_what_is_hidden_looks_as_what_is_not_there(tmp_path: Path) -> None:
    """The police asks for a fire that is there, and for the same where it is not: the same bytes."""
    town = Town(tmp_path)

    async def test() -> None:
        got = []
        for log in (a_log([an_incident("a"), an_incident("f", type="fire")]), a_log([an_incident("a")])):
            async with guarded(town, log) as city, city.client(town.client(POLICE)) as client:
                get = client.stub.GetIncident(feed_pb2.GetIncidentRequest(name="incidents/f"))
                explain = client.stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(name="incidents/f"))
                got.append((await _status(get), await _status(explain)))
                assert (await client.stub.GetIncident(feed_pb2.GetIncidentRequest(name="incidents/a"))).type == "crash"
        assert got[0] == got[1]
        assert got[0][0][0] is grpc.StatusCode.NOT_FOUND

    run(test)


def test_lists_and_watches_hold_what_lies_in_the_scope(tmp_path: Path) -> None:
    """Also where the reader asks for the rest by name; the fire brigade beside it is told everything."""
    town = Town(tmp_path)

    async def test() -> None:
        log = a_log([an_incident("a"), an_incident("f", type="fire"), an_incident("b")])
        async with (
            guarded(town, log) as city,
            city.client(town.client(POLICE)) as police,
            city.client(town.client(FIRE)) as fire,
        ):
            for wanted, ids in (([], ["b", "a"]), (["fire"], []), (["fire", "crash"], ["b", "a"])):
                asked = feed_pb2.ListIncidentsRequest(filter=feed_pb2.IncidentFilter(types=wanted))
                listed = await police.stub.ListIncidents(asked)
                assert [incident.incident_id for incident in listed.incidents] == ids
            watch = police.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            everything = fire.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            assert [i.incident_id for i in (await watch.read()).snapshot.incidents] == ["a", "b"]
            assert len((await everything.read()).snapshot.incidents) == 3
            police.append(an_incident("f", 2, type="fire"), an_incident("a", 2))
            assert [c.incident.incident_id for c in await changes(watch, 1)] == ["a"]
            assert [c.incident.incident_id for c in await changes(everything, 2)] == ["f", "a"]

    run(test)


def test_an_incident_that_leaves_the_scope_is_told_in_its_last_revision_inside(tmp_path: Path) -> None:
    """Under the number of the change that hides it; others are told that change itself, whoever is served first."""
    town = Town(tmp_path)
    town.decide(
        f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = ["feed.watch"]\n'
        f'[departments.police]\ncertificates = ["dns:{POLICE}"]\npermissions = ["feed.watch"]\nminimum_level = "II"\n'
    )
    grave, slight = an_incident("a", level="I"), an_incident("a", 2, level="IV", confidence=0.31)

    async def test() -> None:
        for first, second in ((POLICE, FIRE), (FIRE, POLICE)):
            async with (
                guarded(town, a_log([grave])) as city,
                city.client(town.client(first)) as one,
                city.client(town.client(second)) as other,
            ):
                only_grave = feed_pb2.IncidentFilter(minimum_level=1)
                request = feed_pb2.WatchIncidentsRequest(filter=only_grave)
                watches = {
                    client: stub.stub.WatchIncidents(iter([request]))
                    for client, stub in ((first, one), (second, other))
                }
                for watch in watches.values():
                    assert len((await watch.read()).snapshot.incidents) == 1
                one.append(slight)
                (hidden,) = await changes(watches[POLICE], 1)
                (shown,) = await changes(watches[FIRE], 1)
                assert (hidden.change_number, hidden.no_longer_matches) == (2, True)
                assert (shown.change_number, shown.no_longer_matches) == (2, True)
                assert incident_from_proto(hidden.incident) == grave
                assert incident_from_proto(shown.incident) == slight

    run(test)


def test_a_token_of_one_department_is_no_token_of_another(tmp_path: Path) -> None:
    """Refused as a forged one is, and nothing of what it holds is told; also where it is altered."""
    town = Town(tmp_path)

    async def test() -> None:
        async with (
            guarded(town, a_log([an_incident("a")])) as city,
            city.client(town.client(FIRE)) as fire,
            city.client(town.client(POLICE)) as police,
        ):
            token = (await fire.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()])).read()).resume_token
            altered = ("B" if token.startswith("A") else "A") + token[1:]
            said = []
            for client, shown in ((police, token), (fire, altered), (fire, token[:-4]), (police, "AAAA")):
                asked = feed_pb2.WatchIncidentsRequest(resume_token=shown)
                said.append(await _status(client.stub.WatchIncidents(iter([asked])).read()))
            assert len(set(said)) == 1
            assert said[0][0] is grpc.StatusCode.INVALID_ARGUMENT
            asked = feed_pb2.WatchIncidentsRequest(resume_token=token)
            assert (await fire.stub.WatchIncidents(iter([asked])).read()).HasField("heartbeat")

    run(test)


def test_a_watch_under_a_name_takes_the_permission_to_subscribe(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """To watch is one thing, to have the server keep one's place is another; who may not is told to the log."""
    town = Town(tmp_path)

    async def test() -> None:
        async with guarded(town, a_log([an_incident("a")])) as city, city.client(town.client(FIRE)) as fire:
            asked = feed_pb2.WatchIncidentsRequest(subscription="desk-1")
            code, info, _ = await refusal(fire.stub.WatchIncidents(iter([asked])).read())
            assert (code, info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
            assert city.server.doors.denials.by_call == {f"{FEED}WatchIncidents": 1}

    with caplog.at_level(logging.WARNING, "city_brain"):
        run(test)
    assert f"refused (NOT_ALLOWED): {FEED}WatchIncidents from ipv4:127.0.0.1:" in caplog.text


def test_denials_are_counted_and_told_at_a_limited_rate(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each reason, then silence for a while, then how many there were; nothing acts on a terminal."""
    now = [0.0]
    denials = Denials(lambda: now[0])
    peer = Peer(fingerprint="ab" * 32, dns=("x",))
    with caplog.at_level(logging.WARNING, "city_brain"):
        for _ in range(1_000):
            denials.add(RefusedError(Reason.NOT_KNOWN, "nobody"), "/s/Call", peer, "ipv4:\x1b[2J")
        denials.add(RefusedError(Reason.NOT_ALLOWED, "no"), "/s/Call", None, "unix:")
        now[0] = TOLD_EVERY_S
        denials.add(RefusedError(Reason.NOT_KNOWN, "nobody"), "/s/Other", None, "unix:")
    assert [record.getMessage() for record in caplog.records] == [
        f"refused (NOT_KNOWN): /s/Call from ipv4:\\x1b[2J, certificate sha256:{'ab' * 32}",
        "refused (NOT_ALLOWED): /s/Call from unix:, no certificate",
        "refused (NOT_KNOWN): /s/Other from unix:, no certificate; 999 more before it",
    ]
    assert denials.by_reason == {Reason.NOT_KNOWN: 1_001, Reason.NOT_ALLOWED: 1}
    assert denials.by_call == {"/s/Call": 1_001, "/s/Other": 1}


def test_a_call_that_nobody_declared_is_refused_whoever_calls() -> None:
    """Even the local operator, who may do everything that there is."""

    async def test() -> None:
        server = grpc.aio.server(interceptors=(_guard_of_an_operator(),))
        handler = grpc.unary_unary_rpc_method_handler(_never)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("new.Service", {"Call": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            code, info, _ = await refusal(channel.unary_unary("/new.Service/Call")(b""))
            assert (code, info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
            assert await channel.unary_unary("/new.Service/Other")(b"").code() is grpc.StatusCode.UNIMPLEMENTED
        await server.stop(0)

    run(test)


class Verifier:
    """Tokens of a test: each is the name of its department."""

    def department(self, token: str, peer: Peer | None) -> str:
        if not token.startswith("Bearer ") or peer is not None:
            raise RefusedError(Reason.NOT_KNOWN, "authorization: wanted a token of the test, got another")
        return token.removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (["Bearer fire"], "fire"),
        (["Bearer nobody"], Reason.NOT_KNOWN),
        (["Bearer fire", "Bearer fire"], Reason.NOT_KNOWN),
        (["fire"], Reason.NOT_KNOWN),
        ([], Reason.NOT_KNOWN),
    ],
)
def test_a_verifier_of_tokens_says_which_department_calls(tmp_path: Path, headers: list[str], wanted: str) -> None:
    """What that department may is the policy's to say; without a token it takes a certificate as ever."""
    town = Town(tmp_path)
    doors = Doors(town.listen, lambda: NAMES, status_of, verifier=Verifier())
    said: list[str] = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            said.append(doors.caller(context).name)
        except RefusedError as refusal:
            said.append(refusal.reason)
        return request

    async def test() -> None:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s.S", {"Call": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            metadata = tuple(("authorization", header) for header in headers)
            await channel.unary_unary("/s.S/Call")(b"", metadata=metadata)
        await server.stop(0)
        assert said == [wanted]

    run(test)


def _guard_of_an_operator() -> grpc.aio.ServerInterceptor:
    return Doors(ListenSettings(), lambda: NAMES, status_of).guard


async def _never(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    raise AssertionError("wanted the guard to refuse the call, it was handled")
