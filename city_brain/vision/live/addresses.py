"""Addresses of cameras: read strictly, resolved once, and dialled only where the site allows it.

What is dialled is the literal address that was checked, so that no second look-up can lead elsewhere. Whatever a site
allows, some addresses are never dialled: those of a link, where clouds tell machines their secrets, those of many, and
those of IPv6 that stand for others of IPv4.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote

from city_brain.errors import AddressError

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str], Sequence[str]]
"""The addresses of a name; an OSError where it has none."""

PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""The schemes there are, and their ports (RFC 7826, RFC 9110)."""
MOST_LENGTH: Final = 1024
"""Characters of an address; FFmpeg cuts at 4,096."""
MOST_ANSWERS: Final = 16
LOW_PORTS: Final = frozenset((80, 81, 88, 322, 443, 554, 555))
"""Below 1024 the ports on which cameras answer; the others are those of mail, shells and directories."""

_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:%/?-]*)?)"
)
"""What RFC 3986 lets a URI be, less user information, fragments, zone ids, and percent signs in the host."""
_END: Final = re.compile(r"[/?#\\]")
"""Where host and port are over, for whichever program reads them."""
_ENCODED: Final = re.compile(r"%(?P<code>[0-9A-Fa-f]{2})?")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_NEVER: Final = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this host"),
        ("169.254.0.0/16", "of a link"),
        ("100.100.100.200/32", "of a cloud's metadata"),
        ("168.63.129.16/32", "of a cloud's machines themselves"),
        ("192.0.0.0/24", "of protocols, and of a cloud's metadata"),
        ("224.0.0.0/4", "of many"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this host"),
        ("::ffff:0:0/96", "one of IPv4 in another form"),
        ("::/96", "one of IPv4 in another form"),
        ("64:ff9b::/96", "one of IPv4 in another form"),
        ("64:ff9b:1::/48", "one of IPv4 in another form"),
        ("2001::/32", "one of IPv4 in another form"),
        ("2002::/16", "one of IPv4 in another form"),
        ("fd00:ec2::254/128", "of a cloud's metadata"),
        ("fd20:ce::254/128", "of a cloud's metadata"),
        ("fe80::/10", "of a link"),
        ("ff00::/8", "of many"),
    )
)
"""The first that fits tells why; `::1` is the one address of `::/96` that is what it looks like."""
_ISATAP: Final = 0x0000_5EFE
"""Before the last 32 bits, which are an address of IPv4 then (RFC 5214); a bit says whether it is one of all."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is written: the host in lower case without brackets, a path that begins with `/`."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        """For messages: without the path, in which some cameras want their password."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Dialled:
    """An address and the one place where it is dialled: `ip` is literal, and lies in a network of the site."""

    address: Address
    ip: str


def check_address(
    address: str, schemes: Sequence[str], networks: Sequence[str], resolver: Resolver | None = None, turn: int = 0
) -> Dialled:
    """The place that an address leads to, resolved once; every answer must be allowed, and that whose `turn` it is is
    dialled, from the first on and round again.

    Raises AddressError, which tells nothing of paths and passwords.
    """
    read = read_address(address, schemes, networks)
    if _literal(read.host) is not None:
        return Dialled(read, read.host)
    try:
        answers = (resolver or resolve)(read.host)
    except (OSError, UnicodeError) as wrong:
        raise AddressError(f"{read}: wanted a name that leads to an address, got: {wrong}") from wrong
    if not 0 < len(answers) <= MOST_ANSWERS:
        raise AddressError(f"{read}: wanted 1 to {MOST_ANSWERS} addresses of the name, got {len(answers)}")
    for answer in answers:
        _check_place(answer, networks, str(read))
    return Dialled(read, answers[turn % len(answers)])


def read_address(address: str, schemes: Sequence[str], networks: Sequence[str]) -> Address:
    """An address in its parts, with no name looked up; raises AddressError as above, as far as can be told so."""
    place = shown(address)
    if len(address) > MOST_LENGTH:
        raise AddressError(f"{place}: wanted at most {MOST_LENGTH} characters, got {len(address)}")
    if "@" in address:
        raise AddressError(f"{place}: wanted user and password_file beside the address, got @ in it (%40 in a path)")
    scheme, colon, _ = address.partition(":")
    if not colon or scheme.lower() not in PORTS:
        raise AddressError(f"{place}: wanted an address that begins with {_any(schemes)}, got another beginning")
    parts = _PARTS.fullmatch(address)
    if parts is None:
        raise AddressError(f"{place}: wanted scheme://host:port/path of plain characters, got something else")
    scheme = parts["scheme"].lower()
    if scheme not in schemes:
        raise AddressError(f"{place}: wanted an address of {_any(schemes)} ([video], schemes), got {scheme}")
    path = parts["path"] if parts["path"].startswith("/") else f"/{parts['path']}"
    _check_path(path, place)
    host = parts["host"].lower().strip("[]")
    _check_host(host, place, bracket=parts["host"].startswith("["))
    read = Address(scheme, host, _port(parts["port"], scheme, place), path)
    if not networks:
        raise AddressError(f"{read}: wanted networks in which cameras may be ([video], networks), got none")
    if _literal(host) is not None:
        _check_place(host, networks, str(read))
    return read


def resolve(host: str) -> list[str]:
    """The addresses of a name as this machine knows them, in its order, each once."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


def shown(address: str) -> str:
    """The beginning of whatever somebody took for an address, on one line, without what may be secret in it."""
    scheme, slashes, rest = address.partition("://")
    if "@" in address:  # a password stands before it, and may hold any character
        return repr(f"{scheme}://…@…") if scheme.lower() in PORTS else "an address with @"
    told = f"{scheme}://{_END.split(rest)[0]}" if slashes else _END.split(address)[0]
    return repr(told[:80])


def bracketed(host: str) -> str:
    """A host as addresses have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _check_path(path: str, place: str) -> None:
    """Refuses escapes that are none, and those of what would be read as another address once they are undone."""
    for found in _ENCODED.finditer(path):
        character = chr(int(found["code"], 16)) if found["code"] else ""
        if not " " <= character != "\x7f" or character in "/\\%":
            raise AddressError(f"{place}: wanted a path without hidden characters, got {found[0]!r} in it")
    if len(path) > 1 and any(part in (".", "..") for part in unquote(path.partition("?")[0]).split("/")):
        raise AddressError(f"{place}: wanted a path that leads nowhere else, got . or .. in it")


def _check_host(host: str, place: str, bracket: bool) -> None:
    """Refuses names that are none, and numbers that other programs would read as addresses."""
    if bracket or _NUMBER.fullmatch(host.rpartition(".")[2]):
        found = _literal(host)
        if found is None or bracket != (found.version == 6):
            raise AddressError(f"{place}: wanted an address such as 10.20.0.7 or [2001:db8::7], got {host!r}")
    elif len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise AddressError(f"{place}: wanted the name of a host, got {host[:80]!r}")


def _port(said: str | None, scheme: str, place: str) -> int:
    port = int(said) if said else PORTS[scheme]
    if port > 65535 or (port < 1024 and port not in LOW_PORTS):
        wanted = f"a port of 1024 to 65535, or one of {', '.join(str(low) for low in sorted(LOW_PORTS))}"
        raise AddressError(f"{place}: wanted {wanted}, got {port}")
    return port


def _check_place(answer: str, networks: Sequence[str], place: str) -> None:
    found = _literal(answer)
    if found is None:
        raise AddressError(f"{place}: wanted plain addresses of the name, got {answer[:80]!r}")
    if str(found) != "::1":
        for network, why in _NEVER:
            if found in network:
                raise AddressError(f"{place}: wanted the address of one host, got {found}, which is {why}")
    if found.version == 6 and int(found) >> 32 & 0xFDFF_FFFF == _ISATAP:
        why = "one of IPv4 in another form"
        raise AddressError(f"{place}: wanted the address of one host, got {found}, which is {why}")
    if not any(found in ipaddress.ip_network(network) for network in networks):
        raise AddressError(f"{place}: wanted an address within {', '.join(networks)} ([video], networks), got {found}")


def _literal(host: str) -> IpAddress | None:
    """The address that a text is, in the one form that all programs read alike."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _any(words: Sequence[str]) -> str:
    return " or ".join(f"{word}://" for word in words) or "nothing, as no scheme is allowed,"
