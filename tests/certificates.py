"""Certificates for tests, made for the run that uses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and the key, both PEM."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and those that stand above it, but for the root."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The private key, without a password."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def fingerprint(self) -> str:
        """As policies name it."""
        return f"sha256:{self.certificate.fingerprint(hashes.SHA256()).hex()}"

    def write(self, stem: Path) -> tuple[str, str]:
        """Writes both, and returns their files."""
        certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        certificate.write_bytes(self.certificate_pem)
        key.write_bytes(self.key_pem)
        return str(certificate), str(key)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(name: str, under: Pair | None = None, **said: Any) -> Pair:
    """An authority, self-signed or under another one."""
    extensions = {
        x509.BasicConstraints(ca=said.pop("ca", True), path_length=said.pop("path_length", None)): True,
        usage(sign=False, issue=said.pop("issue", True)): True,
        **said.pop("extensions", {}),
    }
    return issue(under, name, usages=(), extensions=extensions, **said)


def usage(sign: bool = True, issue: bool = False) -> x509.KeyUsage:
    """What a key is for: signing handshakes, issuing certificates."""
    never = ("content_commitment", "key_encipherment", "data_encipherment", "encipher_only", "decipher_only")
    others = dict.fromkeys(never, False)
    return x509.KeyUsage(digital_signature=sign, key_cert_sign=issue, crl_sign=issue, key_agreement=False, **others)


def issue(
    under: Pair | None,
    name: str = "",
    *,
    dns: Sequence[str] = (),
    uris: Sequence[str] = (),
    others: Sequence[x509.GeneralName] = (),
    usages: Sequence[x509.ObjectIdentifier] = _CLIENT,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    until: datetime | None = None,
    key: Key | None = None,
    digest: hashes.HashAlgorithm | None = None,
    subject: x509.Name | None = None,
    extensions: Mapping[x509.ExtensionType, bool] | None = None,
) -> Pair:
    """A certificate, signed by an authority or by itself, valid from `begins` to `ends` from now, or `until` then."""
    own, now = key or new_key(), datetime.now(UTC)
    named = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(under.certificate.subject if under else named)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(until or now + ends)
    )
    names = [*(x509.DNSName(one) for one in dns), *(x509.UniformResourceIdentifier(one) for one in uris), *others]
    said: dict[x509.ExtensionType, bool] = dict(extensions or {})
    if names:
        said[x509.SubjectAlternativeName(names)] = False
    if usages:
        said[x509.ExtendedKeyUsage(list(usages))] = False
    for extension, critical in said.items():
        builder = builder.add_extension(extension, critical)
    made = builder.sign(under.key if under else own, digest or hashes.SHA256())
    above = (under.certificate, *under.chain) if under and under.chain else ()
    intermediate = under is not None and under.certificate.issuer != under.certificate.subject
    return Pair(made, own, above or ((under.certificate,) if under and intermediate else ()))


def make_certificate(stem: Path) -> tuple[str, str]:
    """Files with a certificate for this machine, signed by itself and an authority for itself, and its key."""
    here = [x509.IPAddress(ip_address("127.0.0.1"))]
    extensions = {x509.BasicConstraints(ca=True, path_length=None): True}
    return issue(None, "localhost", dns=["localhost"], others=here, usages=(), extensions=extensions).write(stem)


def altered(pair: Pair, old: bytes, new: bytes) -> Pair:
    """The certificate with other bytes in it and the signature that it had."""
    der = pair.certificate.public_bytes(Encoding.DER)
    assert old in der
    assert len(old) == len(new)
    return replace(pair, certificate=x509.load_der_x509_certificate(der.replace(old, new)))
