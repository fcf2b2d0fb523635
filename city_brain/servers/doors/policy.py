"""policy.toml: departments by their certificates, what they may do, and what of the city they may know.

    [departments.fire]
    certificates = ["sha256:…", "dns:fire.city.example", "uri:spiffe://city/fire", "cn:fire desk"]
    permissions = ["feed.read", "feed.watch", "feed.explain"]
    types = ["fire", "crash"]      # left out: all
    areas = ["370102"]             # left out: all
    minimum_level = "III"          # left out: all

    [anonymous]                    # callers without a certificate, where the server listens to them at all
    permissions = ["feed.read"]

What is not here is not allowed. One certificate speaks for one department.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from city_brain.errors import SettingsError
from city_brain.feeds.filters import LEVELS, MAX_NAMES, Names, Wanted
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.peers import Peer
from city_brain.servers.doors.permissions import WORDS
from city_brain.wording.nearest import nearest

ANONYMOUS = "anonymous"
OPERATOR = "operator"
MAX_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DNS = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_KINDS = "sha256:, dns:, uri: or cn:"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever calls, as the policy knows it."""

    name: str
    permissions: frozenset[str]
    scope: Wanted = Wanted()
    """What of the city it may know."""

    def must(self, permission: str) -> None:
        """Raises RefusedError (NOT_ALLOWED) where it has not this permission."""
        if permission not in self.permissions:
            message = f"caller {self.name}: wanted one with the permission {permission}, got one without"
            raise RefusedError(Reason.NOT_ALLOWED, message)


LOCAL_OPERATOR = Caller(name=OPERATOR, permissions=frozenset(WORDS))
"""Whoever reaches a server that only its own machine reaches, and that has no policy."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says, checked."""

    departments: Mapping[str, Caller]
    claims: Mapping[str, str]
    """Identity of a certificate to the department that it speaks for."""
    anonymous: Caller | None = None
    """Callers without a certificate; None: they are refused."""

    def department_of(self, peer: Peer | None) -> Caller:
        """Who calls; raises RefusedError (NOT_KNOWN) where that is nobody, or more than one, in this policy."""
        if peer is None:
            if self.anonymous is None:
                raise RefusedError(Reason.NOT_KNOWN, "caller: wanted a certificate, got none")
            return self.anonymous
        found = sorted({self.claims[said] for said in peer.identities if said in self.claims})
        if len(found) != 1:
            raise unknown_caller()
        return self.departments[found[0]]


def unknown_caller() -> RefusedError:
    """What a caller is told whom the policy does not name, or names twice."""
    return RefusedError(Reason.NOT_KNOWN, "caller: wanted one that the policy names, got another")


class _Rights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    permissions: list[str]
    types: list[str] = []
    areas: list[str] = []
    minimum_level: str = ""


class _Department(_Rights, frozen=True, kw_only=True, forbid_unknown_fields=True):
    certificates: list[str]


class _Tables(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    departments: dict[str, Any] = {}
    anonymous: dict[str, Any] | None = None


def policy_of(content: bytes, place: str, names: Names) -> Policy:
    """The policy in a file that is called `place`, of a city with these names; raises SettingsError."""
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{place}: wanted at most {MAX_BYTES} bytes, got {len(content)}")
    try:
        said = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise SettingsError(f"{place}: wanted TOML, got: {wrong}") from wrong
    tables = _converted(said, _Tables, place)
    departments: dict[str, Caller] = {}
    claims: dict[str, str] = {}
    for name, table in tables.departments.items():
        where = f"{place}: departments.{name}"
        if not _NAME.fullmatch(name) or name in (ANONYMOUS, OPERATOR):
            wanted = f"a name of letters, digits, dots, dashes and underscores other than {ANONYMOUS} and {OPERATOR}"
            raise SettingsError(f"{where}: wanted {wanted}, got {name!r}")
        department = _converted(table, _Department, where)
        departments[name] = _caller(name, department, where, names)
        _claim(claims, name, department.certificates, where)
    where = f"{place}: {ANONYMOUS}"
    anonymous = None
    if tables.anonymous is not None:
        anonymous = _caller(ANONYMOUS, _converted(tables.anonymous, _Rights, where), where, names)
    if not departments and anonymous is None:
        raise SettingsError(f"{place}: wanted at least one department, or a table {ANONYMOUS}, got none")
    return Policy(departments=MappingProxyType(departments), claims=MappingProxyType(claims), anonymous=anonymous)


def _converted(said: object, kind: Any, where: str) -> Any:
    known = [field.name for field in msgspec.structs.fields(kind)]
    if isinstance(said, dict):
        for key in said:
            _check_known(f"{where}: key", key, known)
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as wrong:
        raise SettingsError(f"{where}: {_plain(wrong)}") from wrong


def _plain(wrong: msgspec.ValidationError) -> str:
    """The words of msgspec in the form of ours."""
    said = str(wrong).replace("`$.", "`").replace(" - at ", " at ")
    return re.sub(r"^Expected (.*), got", r"wanted \1, got", said).replace("Object missing required field", "wanted")


def _caller(name: str, rights: _Rights, where: str, names: Names) -> Caller:
    for field, given, known in (
        ("permissions", rights.permissions, WORDS),
        ("types", rights.types, names.types),
        ("areas", rights.areas, names.area_codes),
        ("minimum_level", [rights.minimum_level] if rights.minimum_level else [], LEVELS),
    ):
        if len(given) > MAX_NAMES:
            raise SettingsError(f"{where}.{field}: wanted at most {MAX_NAMES} names, got {len(given)}")
        for word in given:
            _check_known(f"{where}.{field}", word, known)
    scope = Wanted(
        types=tuple(sorted(set(rights.types))),
        area_codes=tuple(sorted(set(rights.areas))),
        minimum_level=rights.minimum_level,
    )
    return Caller(name=name, permissions=frozenset(rights.permissions), scope=scope)


def _claim(claims: dict[str, str], name: str, certificates: Collection[str], where: str) -> None:
    if not certificates:
        raise SettingsError(f"{where}.certificates: wanted at least one, got none")
    for at, said in enumerate(certificates):
        identity = _identity(said, f"{where}.certificates[{at}]")
        other = claims.setdefault(identity, name)
        if other != name:
            raise SettingsError(
                f"{where}.certificates[{at}]: wanted a certificate of one department, got {said!r}, "
                f"which {other} has too"
            )


def _identity(said: str, where: str) -> str:
    kind, _, rest = said.partition(":")
    if kind == "sha256":
        rest = rest.replace(":", "").lower()
        if not _FINGERPRINT.fullmatch(rest):
            raise SettingsError(f"{where}: wanted 64 hex digits behind sha256:, got {said!r}")
    elif kind == "dns":
        rest = rest.lower()
        if not _DNS.fullmatch(rest):
            raise SettingsError(f"{where}: wanted one name of a host behind dns:, no pattern, got {said!r}")
    elif kind == "uri":
        if not _URI.fullmatch(rest) or not rest.isprintable():
            raise SettingsError(f"{where}: wanted a URI behind uri:, got {said!r}")
    elif kind != "cn":
        raise SettingsError(f"{where}: wanted {_KINDS}, got {said!r}{nearest(kind, ['sha256', 'dns', 'uri', 'cn'])}")
    elif not rest.strip() or not rest.isprintable():
        raise SettingsError(f"{where}: wanted a common name behind cn:, got {said!r}")
    return f"{kind}:{rest}"


def _check_known(where: str, word: str, known: Collection[str]) -> None:
    if word not in known:
        choice = ", ".join(known) if known else "nothing, for this city has none"
        raise SettingsError(f"{where}: wanted one of {choice}; got {word!r}{nearest(word, known)}")
