"""Who calls: the certificate that a connection showed, as gRPC has verified it."""

import hashlib
import ssl
from collections.abc import Mapping, Sequence

import grpc.aio
import msgspec


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A verified certificate by its names."""

    fingerprint: str
    """SHA-256 of the DER certificate, 64 hex digits."""
    dns: tuple[str, ...] = ()
    """Subject alternative names of kind DNS, lower case."""
    uris: tuple[str, ...] = ()
    """Subject alternative names of kind URI."""
    common_name: str = ""

    @property
    def identities(self) -> tuple[str, ...]:
        """All that a policy may call it: `sha256:`, `dns:`, `uri:` and `cn:`."""
        said = [f"sha256:{self.fingerprint}", *(f"dns:{name}" for name in self.dns)]
        said += [f"uri:{name}" for name in self.uris]
        return (*said, f"cn:{self.common_name}") if self.common_name else tuple(said)


def peer_of(context: grpc.aio.ServicerContext) -> Peer | None:
    """The peer of a call; None where it showed no certificate, as over plain TCP."""
    return peer_from(context.auth_context())


def peer_from(said: Mapping[str, Sequence[bytes]]) -> Peer | None:
    """The peer in what gRPC says of a connection.

    A name that is not UTF-8, or holds a control character (NUL cuts names short elsewhere), is no name.
    """
    shown = said.get("x509_pem_cert", ())
    if len(shown) != 1:
        return None
    der = ssl.PEM_cert_to_DER_cert(shown[0].decode("ascii"))
    common = _names(said.get("x509_common_name", ()))
    return Peer(
        fingerprint=hashlib.sha256(der).hexdigest(),
        dns=tuple(name.lower() for name in _names(said.get("peer_dns", ()))),
        uris=_names(said.get("peer_uri", ())),
        common_name=common[0] if len(common) == 1 else "",
    )


def _names(values: Sequence[bytes]) -> tuple[str, ...]:
    found = (value.decode("utf-8", "replace") for value in values)
    return tuple(name for name in found if name and name.isprintable() and "\ufffd" not in name)
