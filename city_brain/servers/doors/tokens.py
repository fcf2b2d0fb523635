"""Bearer tokens: what would have to judge them. Nothing here accepts one."""

from typing import Protocol

import grpc.aio

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.peers import Peer

HEADER = "authorization"


class TokenVerifier(Protocol):
    """Judges the value of the header `authorization` of a call.

    An implementation checks one algorithm, issuer, audience and type, fixed by configuration, and that the token is
    bound to the certificate of `peer` (RFC 8705), so that a stolen one is worth nothing on another connection. It runs
    in the event loop before every call, so it must not wait for a network.
    """

    def department(self, token: str, peer: Peer | None) -> str:
        """The name, as in the policy, of the department that the token speaks for.

        Raises RefusedError (NOT_KNOWN) where the token is not good; the message must not repeat any of it.
        """


class NoTokens:
    """Refuses every token: who shows one expects it to be checked, so it is not passed over."""

    def department(self, token: str, peer: Peer | None) -> str:
        """Raises RefusedError (NOT_KNOWN)."""
        del token, peer
        raise RefusedError(Reason.NOT_KNOWN, f"{HEADER}: wanted no token, for this server accepts none, got one")


def token_of(context: grpc.aio.ServicerContext) -> str | None:
    """The header of a call; None where it has none. Several count as one that cannot be good."""
    found = [str(value) for key, value in context.invocation_metadata() or () if key.lower() == HEADER]
    return ", ".join(found) if found else None
