"""The names of a certificate are those that another reader finds, and only those that are plain text."""

import hashlib
import math
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.servers.doors.peers import peer_in
from tests.certificates import Pair, issue

ASCII = st.text(st.characters(min_codepoint=0, max_codepoint=127), min_size=1, max_size=200)
KEY = issue(None, "key").key


def der(pair: Pair) -> bytes:
    """The certificate as it stands on the wire."""
    return pair.certificate.public_bytes(Encoding.DER)


@settings(max_examples=150, deadline=None)
@given(
    dns=st.lists(ASCII, max_size=4),
    uris=st.lists(ASCII, max_size=4),
    common=st.lists(st.text(min_size=1, max_size=16).filter(lambda text: text.isprintable()), max_size=2),
)
def test_names_are_those_that_another_reader_finds(dns: list[str], uris: list[str], common: list[str]) -> None:
    """Any names, any number of them, also with control characters: those are no names."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common])
    pair = issue(None, subject=subject, dns=dns, uris=uris, key=KEY)
    peer = peer_in(der(pair))
    assert peer.fingerprint == hashlib.sha256(der(pair)).hexdigest()
    assert peer.dns == tuple(name.lower() for name in dns if name.isprintable())
    assert peer.uris == tuple(name for name in uris if name.isprintable())
    assert peer.common_name == (common[0] if len(common) == 1 else "")
    assert peer.valid_until_s == pair.certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("year", [1951, 1999, 2049, 2050, 2150])
def test_years_are_read_in_both_forms(year: int) -> None:
    """Certificates write them with two digits up to 2049, then with four."""
    ends = datetime(year, 6, 11, 12, 30, 59, tzinfo=UTC)
    pair = issue(None, "client", begins=datetime(1950, 2, 1, tzinfo=UTC) - datetime.now(UTC), key=KEY, until=ends)
    assert peer_in(der(pair)).valid_until_s == ends.timestamp()


@pytest.mark.parametrize("kind", [_ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.BMPString])
def test_common_names_come_in_several_kinds_of_strings(kind: _ASN1Type) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "duty desk", _type=kind)])
    assert peer_in(der(issue(None, subject=subject))).common_name == "duty desk"


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 400), put=st.binary(max_size=6))
def test_a_damaged_certificate_has_no_names_but_those_in_it(cut: int, put: bytes) -> None:
    """Whatever bytes: no error, and no name that is not in them."""
    whole = der(issue(None, "client", dns=["fire.city.example"], key=KEY))
    damaged = whole[:cut] + put + whole[cut + len(put) :]
    peer = peer_in(damaged)
    assert all(name.encode() in damaged.lower() for name in (*peer.dns, *peer.uris))
    assert peer.identities[0] == f"sha256:{hashlib.sha256(damaged).hexdigest()}"


def test_every_truncated_certificate_has_no_names() -> None:
    """Cut anywhere; and it has expired."""
    whole = der(issue(None, "client", dns=["fire.city.example"], key=KEY))
    for end in range(len(whole)):
        peer = peer_in(whole[:end])
        assert (len(peer.identities), peer.valid_until_s) == (1, -math.inf)
