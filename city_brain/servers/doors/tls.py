"""TLS of a server: certificate, key and client authorities, read again when their files change.

A handshake uses what was last found good; connections that stand keep theirs until they reach their age. A new pair
that does not fit together leaves the old one in use, and is told.
"""

import logging
import ssl
from pathlib import Path
from threading import Lock

import grpc
import msgspec

from city_brain.errors import SettingsError
from city_brain.servers.repeats import Complaints
from city_brain.servers.settings import ListenSettings

logger = logging.getLogger("city_brain")


class TlsFiles(msgspec.Struct, frozen=True):
    """What the files hold, checked together."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    """None: nobody is asked for a certificate."""

    @classmethod
    def read(cls, listen: ListenSettings) -> "TlsFiles":
        """Reads and checks; raises SettingsError with the file at fault."""
        certificate = _read("TLS certificate", listen.tls_certificate)
        key = _read("TLS key", listen.tls_key)
        client_ca = _read("TLS client authorities", listen.tls_client_ca) if listen.tls_client_ca else None
        _check_pair(listen)
        if client_ca is not None:
            _check_authorities(listen.tls_client_ca, client_ca)
        if (certificate, key) != (_read("TLS certificate", listen.tls_certificate), _read("TLS key", listen.tls_key)):
            raise SettingsError(f"TLS: wanted files that stay, got {listen.tls_certificate} while it was written")
        return cls(certificate, key, client_ca)

    def context(self, listen: ListenSettings) -> ssl.SSLContext:
        """For the `ssl` of Python, from the files that hold this; raises SettingsError where they do not any more.

        Sessions are never resumed: a connection must not outlive the certificate that was shown for another one.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            context.load_cert_chain(listen.tls_certificate, listen.tls_key, lambda: "")
        except (ssl.SSLError, ValueError, OSError) as wrong:
            raise SettingsError(f"TLS: wanted files that stay, got {listen.tls_certificate} ({wrong})") from wrong
        if (self.certificate, self.key) != (
            _read("TLS certificate", listen.tls_certificate), _read("TLS key", listen.tls_key),
        ):  # fmt: skip
            raise SettingsError(f"TLS: wanted files that stay, got {listen.tls_certificate} while it was written")
        if self.client_ca is not None:
            context.load_verify_locations(cadata=self.client_ca.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For gRPC."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.client_ca)


class RenewingTls:
    """The TLS of one server, from its files; raises SettingsError where they are not good at the start."""

    def __init__(self, listen: ListenSettings, complaints: Complaints) -> None:
        self._listen, self._complaints = listen, complaints
        self._files = TlsFiles.read(listen)
        self._renewed: grpc.ServerCertificateConfiguration | None = None
        self._lock = Lock()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """What a server of plain HTTP binds with; each handshake uses what was last found good."""
        self._context = bound = self._files.context(self._listen)

        def newest(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            del name, context
            if self._context is not None:
                connection.context = self._context

        bound.sni_callback = newest
        return bound

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC binds with; with client authorities a client without a certificate of theirs gets no connection."""
        return grpc.dynamic_ssl_server_credentials(
            self._files.configuration,
            self._take_renewed,
            require_client_authentication=bool(self._listen.tls_client_ca),
        )

    def refresh(self) -> None:
        """Reads the files again; for a thread. What is not good is told once, and the old stays in use."""
        try:
            found = TlsFiles.read(self._listen)
            if found != self._files and self._context is not None:
                self._context = found.context(self._listen)
        except SettingsError as wrong:
            self._complaints.wrong(self, f"{wrong}; the certificate before it stays in use")
            return
        self._complaints.well(self)
        if found != self._files:
            with self._lock:
                self._files, self._renewed = found, found.configuration
            logger.info("TLS: new handshakes use the new content of %s", self._listen.tls_certificate)

    def _take_renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """At each handshake, in a thread of gRPC: what is new since the last one, None where nothing is."""
        with self._lock:
            renewed, self._renewed = self._renewed, None
        return renewed


def tls_of(listen: ListenSettings, complaints: Complaints) -> RenewingTls | None:
    """The TLS that settings ask for, None without; raises SettingsError where they ask for a part of it."""
    if not listen.tls_certificate and not listen.tls_key:
        if listen.tls_client_ca:
            raise SettingsError("TLS: wanted a certificate and its key beside the client authorities, got neither")
        return None
    if not listen.tls_certificate or not listen.tls_key:
        missing = "certificate" if not listen.tls_certificate else "key"
        raise SettingsError(f"TLS: wanted a certificate and its key, got no {missing}")
    return RenewingTls(listen, complaints)


def _check_pair(listen: ListenSettings) -> None:
    try:
        # gRPC takes any bytes here and fails at the first handshake; OpenSSL says now what is wrong.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(listen.tls_certificate, listen.tls_key, lambda: "")
    except (ssl.SSLError, ValueError, OSError) as wrong:
        raise SettingsError(
            f"TLS: wanted a certificate and the key that belongs to it, got {listen.tls_certificate} and "
            f"{listen.tls_key} ({wrong})"
        ) from wrong


def _check_authorities(path: str, content: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError) as wrong:
        raise SettingsError(f"TLS client authorities: wanted certificates (PEM), got {path} ({wrong})") from wrong
    if not context.get_ca_certs():
        raise SettingsError(f"TLS client authorities: wanted certificates of authorities, got none in {path}")


def _read(what: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as wrong:
        raise SettingsError(f"{what}: wanted a file that can be read, got {path} ({wrong.strerror})") from wrong
