"""Certificates for tests, made for the run that uses them."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificate(stem: Path) -> tuple[str, str]:
    """Files with a certificate for localhost, signed by itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl absent: wanted the command that makes certificates")
    certificate, key = f"{stem}.crt", f"{stem}.key"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    whose = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = [openssl, "req", *kind, *whose, "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key
