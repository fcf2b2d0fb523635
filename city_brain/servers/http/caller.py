"""Who asks over HTTP, in the words in which doors ask gRPC for it; and pages of others that ask in somebody's name."""

import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from aiohttp import web

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.settings import is_loopback

_OWN_SITE = ("none", "same-origin")


class HttpContext:
    """What doors ask of a call's context, of a request."""

    def __init__(self, request: web.Request) -> None:
        self._request = request

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """The certificate that the connection showed; nothing where it showed none."""
        transport = self._request.transport
        connection = transport.get_extra_info("ssl_object") if transport else None
        der = connection.getpeercert(binary_form=True) if connection else None
        return {"x509_pem_cert": (ssl.DER_cert_to_PEM_cert(der).encode("ascii"),)} if der else {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        """The headers."""
        return list(self._request.headers.items())

    def peer(self) -> str:
        """Address of the other end."""
        return self._request.remote or ""


def check_page(request: web.Request, local: bool) -> None:
    """Raises RefusedError where a page of another origin asks, or one whose name was bound to this machine.

    `local`: the server listens to this machine alone, so its name is one of this machine's (RFC 9110, 7.2).
    """
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1:
        raise RefusedError(Reason.BAD_REQUEST, f"Host: wanted one header, got {len(hosts)}", "Host")
    if local and not is_loopback(_name_in(hosts[0])):
        raise RefusedError(Reason.NOT_ALLOWED, "Host: wanted a name of this machine, got another", "Host")
    origins = request.headers.getall("Origin", [])
    if origins and origins != [f"{request.scheme}://{hosts[0]}"]:
        raise RefusedError(Reason.NOT_ALLOWED, "Origin: wanted none, or this server's own, got another", "Origin")
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        raise RefusedError(Reason.NOT_ALLOWED, "Sec-Fetch-Site: wanted none or same-origin, got another", "Origin")


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
