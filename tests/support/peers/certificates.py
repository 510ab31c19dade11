"""Certificates for 127.0.0.1, made on the spot by openssl."""

import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate of that name and its key; skips the test where there is no openssl."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={name} "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    try:
        subprocess.run(command.split(), capture_output=True, check=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no openssl command: `.ci/system` installs it")
    return cert, key
