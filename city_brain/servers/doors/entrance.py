"""The doors of one server: who may come in at all, decided at the start, and again whenever a file changes."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import grpc
import grpc.aio

from city_brain.errors import SettingsError
from city_brain.feeds.filters import Names
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.denials import Denials
from city_brain.servers.doors.guard import Guard, StatusOf
from city_brain.servers.doors.peers import peer_of
from city_brain.servers.doors.permissions import KNOWN, check_declared
from city_brain.servers.doors.policy import ANONYMOUS, LOCAL_OPERATOR, Caller, Policy, policy_of, unknown_caller
from city_brain.servers.doors.tls import tls_of
from city_brain.servers.doors.tokens import NoTokens, TokenVerifier, token_of
from city_brain.servers.repeats import Complaints
from city_brain.servers.settings import ListenSettings, host_of, is_loopback

POLL_S = 1.0
"""Time between two looks at the files: so long may rights that were withdrawn still be used."""
logger = logging.getLogger("city_brain")


class Doors:
    """Who calls one server and what they may, over its listen settings.

        doors = Doors(listen, lambda: feed.names, status_of)
        server = grpc.aio.server(interceptors=(doors.guard,))
        doors.check_declared(services); bind(server, listen, doors.credentials()); doors.open()
        ... doors.caller(context) ...
        await doors.close()

    Raises SettingsError where settings, certificates or policy will not do. `names`: types and areas of the city as of
    now. `status_of`: the status that answers a refusal.
    """

    def __init__(
        self,
        listen: ListenSettings,
        names: Callable[[], Names],
        status_of: StatusOf,
        *,
        cut_wait_s: float = 10.0,
        verifier: TokenVerifier | None = None,
        poll_s: float = POLL_S,
        complaints: Complaints | None = None,
    ) -> None:
        """`complaints`: those of all doors of the program, where there are others that read the same files."""
        self._listen, self._names, self._poll_s = listen, names, poll_s
        self._verifier: TokenVerifier = verifier or NoTokens()
        local = is_loopback(host_of(listen.address))
        self._complaints = complaints or Complaints()
        self._tls = tls_of(listen, self._complaints)
        self._content = _content(listen.policy) if listen.policy else b""
        self._policy = self._checked(self._content) if listen.policy else None
        self._operator = local and self._policy is None and not listen.tls_client_ca
        _check_open(listen, local, self._policy)
        self._polling: asyncio.Task[None] | None = None
        self.denials = Denials()
        self.guard = Guard(self._admit, self.denials, status_of, cut_wait_s)

    def credentials(self) -> grpc.ServerCredentials | None:
        """What to bind with; None without TLS."""
        return self._tls.credentials() if self._tls else None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The same for a server of plain HTTP."""
        return self._tls.context() if self._tls else None

    def check_declared(self, services: Iterable[str]) -> None:
        """Raises SettingsError where a call of a served service says nothing of the permission that it takes."""
        check_declared(services)

    def caller(self, context: grpc.aio.ServicerContext) -> Caller:
        """Who calls, as of now; raises RefusedError (NOT_KNOWN)."""
        peer, token = peer_of(context), token_of(context)
        if peer is not None and peer.valid_until_s < time.time():
            raise RefusedError(Reason.NOT_KNOWN, "caller: wanted a certificate that is valid, got one that has expired")
        if token is not None:
            name = self._verifier.department(token, peer)
            department = self._policy.departments.get(name) if self._policy else None
            if department is None:
                raise unknown_caller()
            return department
        if self._operator:
            return LOCAL_OPERATOR
        if self._policy is None:
            raise unknown_caller()
        return self._policy.department_of(peer)

    def open(self) -> None:
        """Looks after the files from now on, in the running loop."""
        if self._listen.tls_client_ca and self._policy is None:
            logger.warning("%s: no policy, so every caller will be refused (--policy)", self._listen.address)
        if self._tls is not None or self._policy is not None:
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def close(self) -> None:
        """Looks after them no longer."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def refresh(self) -> None:
        """Reads the files again. What cannot be used is told once, and what was in force before it stays."""
        if self._tls is not None:
            await asyncio.to_thread(self._tls.refresh)
        if self._policy is None:
            return
        try:
            content = await asyncio.to_thread(_content, self._listen.policy)
            if content == self._content:
                self._complaints.well(self)
                return
            self._policy = self._checked(content)
        except SettingsError as wrong:
            self._complaints.wrong(self, f"{wrong}; the policy before it stays in force")
            return
        self._complaints.well(self)
        self._content = content
        logger.info("policy %s: in force as it is now; %d streams end by it", self._listen.policy, self.guard.recheck())

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                self.guard.end_expired(time.time())
                await self.refresh()
            except Exception:  # a poll that ended here would leave withdrawn rights in force for ever
                logger.exception("policy and certificates: wanted to look at them, could not; trying again")

    def _admit(self, context: grpc.aio.ServicerContext, permission: str) -> Caller:
        caller = self.caller(context)
        if permission != KNOWN or caller.name == ANONYMOUS:
            caller.must(permission)
        return caller

    def _checked(self, content: bytes) -> Policy:
        """The policy, where it fits how this server knows its callers."""
        path = self._listen.policy
        policy = policy_of(content, path, self._names())
        if policy.departments and not self._listen.tls_client_ca:
            raise SettingsError(
                f"{path}: wanted client authorities (--tls-client-ca, tls_client_ca in site.toml), for departments are "
                "known by their certificates, got none"
            )
        if policy.anonymous and self._listen.tls_client_ca:
            raise SettingsError(f"{path}: {ANONYMOUS}: wanted none where every client shows a certificate, got one")
        return policy


def _check_open(listen: ListenSettings, local: bool, policy: Policy | None) -> None:
    """Raises SettingsError where strangers could come in that nobody asked for by name."""
    if local or listen.tls_client_ca:
        return
    if not listen.insecure_listen:
        got = "TLS that asks nobody for a certificate" if listen.tls_certificate else "neither"
        raise SettingsError(
            f"listen address {listen.address}: wanted TLS and client certificates for an address that other machines "
            f"reach, got {got}; listen on 127.0.0.1, give --tls-certificate, --tls-key, --tls-client-ca and --policy, "
            "or allow it by name: --insecure-listen (insecure_listen in site.toml)"
        )
    if policy is None:
        raise SettingsError(
            f"listen address {listen.address}: wanted a policy (--policy) whose table [{ANONYMOUS}] says what "
            f'strangers may do, such as permissions = ["feed.read", "feed.watch", "feed.explain"], got none'
        )


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as wrong:
        raise SettingsError(f"policy: wanted a file that can be read, got {path} ({wrong.strerror})") from wrong
