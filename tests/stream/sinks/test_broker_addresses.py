"""Addresses of MQTT and NATS: what is refused, without the password in it, and secrets that are not well kept."""

import logging
from pathlib import Path

import pytest

from mtclar.engine.errors import UsageError
from mtclar.stream.sinks import open_sink

CLIENTS = {"mqtt": "paho.mqtt", "nats": "nats"}
SECRET = "correct horse"
REFUSED = [
    ("", "cannot be read"),
    ("host:99999", "cannot be read"),
    ("host?colour=red", "no option 'colour'"),
    ("host?ca=ca.pem", "certificates are for TLS"),
    ("host?password-file=secret", "needs the name of a user"),
    ("lab@host?password-file=/nowhere/secret", "cannot read the password file"),
    ("lab:hunter2@host", "other users can see a password"),
]
REFUSED_BY_MQTT = [
    ("host/a/#", "cannot be read"),
    ("host?max-hz=0", "cannot be read"),
    ("host?max-hz=often", "cannot be read"),
    ("lab:hunter2?x@host", "cannot be read"),
]
REFUSED_BY_NATS = [
    ("host,", "cannot be read"),
    ("host/a.b", "prefix of the subjects"),
    ("host?history=often", "at most 24 hours"),
    ("host?history=25h", "at most 24 hours"),
    ("host?replicas=2", "1, 3 or 5"),
    ("lab@host", "a user needs a password"),
    ("host?nkey=a&creds=b", "exclude each other"),
]


def require_client(scheme: str) -> None:
    pytest.importorskip(CLIENTS[scheme], reason=f"no client of {scheme}: `make setup-all` brings it")


@pytest.mark.parametrize("scheme", CLIENTS)
def test_a_secret_without_encryption_is_a_warning(
    scheme: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    require_client(scheme)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        open_sink(f"{scheme}://lab@broker.example?password-file={secret}")
    assert "sent without encryption" in caplog.text
    assert "other users can read the secret" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("scheme", "argument", "message"),
    [(scheme, *refused) for scheme in CLIENTS for refused in REFUSED]
    + [("mqtt", *refused) for refused in REFUSED_BY_MQTT]
    + [("nats", *refused) for refused in REFUSED_BY_NATS],
)
def test_a_wrong_address_is_refused_without_its_password(scheme: str, argument: str, message: str) -> None:
    require_client(scheme)
    with pytest.raises(UsageError, match=message) as raised:
        open_sink(f"{scheme}://{argument}")
    assert "hunter2" not in str(raised.value) + str(raised.value.hint)
