"""Who calls: the certificate that a connection showed, as gRPC has verified it.

Names are read from the certificate itself (RFC 5280). What gRPC says of them has gone through C strings: there a name
with NUL in it, `fire.example\\0.evil.example`, has become `fire.example`.
"""

import hashlib
import math
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import grpc.aio
import msgspec

_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS, _URI = 0x82, 0x86
_COMMON_NAME, _ALTERNATIVE_NAMES = bytes.fromhex("550403"), bytes.fromhex("551d11")
_CODECS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be", _DNS: "ascii", _URI: "ascii"}
"""Tags of strings: UTF8String, PrintableString, IA5String, BMPString, and the names that are IA5String."""
_UTC_TIME = 0x17
_LONG, _LENGTH_BYTES = 0x80, 4


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A verified certificate by its names."""

    fingerprint: str
    """SHA-256 of the DER certificate, 64 hex digits."""
    dns: tuple[str, ...] = ()
    """Subject alternative names of kind DNS, lower case."""
    uris: tuple[str, ...] = ()
    """Subject alternative names of kind URI."""
    common_name: str = ""
    """Of the subject; "" where it has none or several."""
    valid_until_s: float = math.inf
    """Epoch seconds at which the certificate expires: a connection, or a session that is resumed, may outlive it."""

    @property
    def identities(self) -> tuple[str, ...]:
        """All that a policy may call it: `sha256:`, `dns:`, `uri:` and `cn:`."""
        said = [f"sha256:{self.fingerprint}", *(f"dns:{name}" for name in self.dns)]
        said += [f"uri:{name}" for name in self.uris]
        return (*said, f"cn:{self.common_name}") if self.common_name else tuple(said)


def peer_of(context: grpc.aio.ServicerContext) -> Peer | None:
    """The peer of a call; None where it showed no certificate, as over plain TCP."""
    said: Mapping[str, Sequence[bytes]] = context.auth_context()
    shown = said.get("x509_pem_cert", ())
    return peer_in(ssl.PEM_cert_to_DER_cert(shown[0].decode("ascii"))) if len(shown) == 1 else None


def peer_in(der: bytes) -> Peer:
    """The peer of a certificate. One that cannot be read has no names, and has expired."""
    fingerprint = hashlib.sha256(der).hexdigest()
    try:
        subject, extensions, valid_until_s = _parts(der)
        common = _common_names(subject)
        alternative = list(_alternative_names(extensions))
    except (ValueError, IndexError):
        return Peer(fingerprint=fingerprint, valid_until_s=-math.inf)
    return Peer(
        fingerprint=fingerprint,
        dns=tuple(name.lower() for name in _texts(item for item in alternative if item[0] == _DNS)),
        uris=_texts(item for item in alternative if item[0] == _URI),
        common_name="".join(_texts(common)) if len(common) == 1 else "",
        valid_until_s=valid_until_s,
    )


Item = tuple[int, bytes]
"""Tag and content of one value in DER."""


def _items(data: bytes) -> list[Item]:
    """The values that stand one behind the other; raises ValueError or IndexError where that is no DER."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= _LONG:
            size = length - _LONG
            if not 1 <= size <= _LENGTH_BYTES:
                raise ValueError(f"length of {size} bytes")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("a value that does not end")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _parts(der: bytes) -> tuple[bytes, list[Item], float]:
    """The subject, the extensions and the end of a certificate."""
    fields = _items(_items(_items(der)[0][1])[0][1])
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    wrapped = [content for tag, content in fields[6:] if tag == _EXTENSIONS]
    ends = _instant_s(*_items(fields[3][1])[1])
    return fields[4][1], _items(_items(wrapped[0])[0][1]) if wrapped else [], ends


def _instant_s(tag: int, content: bytes) -> float:
    """UTCTime, whose years are 1950 to 2049, or GeneralizedTime; in UTC, to the second (RFC 5280, 4.1.2.5)."""
    said = content.decode("ascii")
    if tag == _UTC_TIME:
        said = ("19" if said >= "50" else "20") + said
    return datetime.strptime(said, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _common_names(subject: bytes) -> list[Item]:
    pairs = [_items(pair) for _, several in _items(subject) for _, pair in _items(several)]
    return [pair[1] for pair in pairs if pair[0][1] == _COMMON_NAME]


def _alternative_names(extensions: Iterable[Item]) -> Iterator[Item]:
    for _, content in extensions:
        parts = _items(content)
        if parts[0][1] == _ALTERNATIVE_NAMES:
            yield from _items(_items(parts[-1][1])[0][1])


def _texts(items: Iterable[Item]) -> tuple[str, ...]:
    """The names that are text without characters that act on whoever prints or compares them."""
    found = []
    for tag, content in items:
        try:
            name = content.decode(_CODECS[tag])
        except (KeyError, UnicodeDecodeError):
            continue
        if name and name.isprintable():
            found.append(name)
    return tuple(found)
