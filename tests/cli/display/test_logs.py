"""Logs: secrets are redacted, and JSON logs have one object per line."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.cli.commands.calibration.calibrate_page import command as calibrate_page
from mtclar.cli.display import logs
from mtclar.cli.display.logs import event, logs_json, report_error, set_up_logs
from mtclar.engine.address import secrets_of
from mtclar.engine.errors import UsageError

SOURCE = "rtsp://anna:p%40ss-word@camera:8554/live?key=long-key"
TOKEN = "a-long-enough-token"
SECRETS = ("p%40ss-word", "p@ss-word", "long-key", TOKEN)


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("mtclar")
    handlers, level, hook = list(root.handlers), ours.level, logs.threading.excepthook
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)
    logs.threading.excepthook = hook


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_an_event_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json")
    event("status", "door: live", stream="door", retry_s=None, parts={"a": [1, 2.5]})
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("two\nlines")
    first, second = map(json.loads, lines(capsys))
    assert first | {"level": "info", "event": "status", "stream": "door", "retry_s": None} == first
    assert first["parts"] == {"a": [1, 2.5]}
    assert first["time"].endswith("+00:00")
    assert second["message"] == "two\nlines"


def test_calibrate_page_redacts_secrets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with pytest.raises(UsageError):
        calibrate_page(source=SOURCE, token_file=token, subject="an\nna")
    logging.getLogger("mtclar.calibrate.web.session").warning(
        "calibration of %s failed for %s", SOURCE, TOKEN
    )
    (line,) = lines(capsys)
    assert line.startswith("warning: calibration of rtsp://***@camera:8554/live")
    assert not any(secret in line for secret in SECRETS)


def test_plain_logs_contain_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("plain")
    event("status", "door: live")
    event("warning", "the disk is nearly full", logging.WARNING)
    assert lines(capsys) == ["warning: the disk is nearly full"]
    assert not logs_json()
    assert not report_error("it broke", "mend it")


@pytest.mark.parametrize("form", ["plain", "json"])
def test_secrets_are_redacted(form: logs.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(form, [SOURCE, "webcam", "video.mp4"], TOKEN)
    log = logging.getLogger("some.library")
    log.error("cannot open %s", SOURCE)
    log.error("https://other:unknown-password@host/ and Authorization: Bearer unknown-token")
    log.error("%s %s", TOKEN, {"password": "p@ss-word"})
    event("error", "failed", logging.ERROR, url=SOURCE, nested=[{"query": "key=long-key"}])
    try:
        raise OSError(f"timeout of {SOURCE} with {TOKEN}")
    except OSError:
        log.exception("reading failed")
    output = capsys.readouterr().err
    assert len(output.splitlines()) >= 5
    for secret in (*SECRETS, "unknown-password", "unknown-token", "anna"):
        assert secret not in output, output
    assert "camera:8554/live" in output  # what is not secret stays


@given(st.text(st.characters(exclude_characters=" \"'", categories=["L", "N", "P", "S"]), min_size=1))
def test_user_information_of_urls_is_redacted(password: str) -> None:
    formatter = logs._PlainFormatter([])
    text = f"open rtsp://user:{password}@host/path failed"
    assert formatter.clean(text) == "open rtsp://***@host/path failed"


def test_secrets_of_a_url() -> None:
    assert set(secrets_of(SOURCE)) == {"p%40ss-word", "p@ss-word", "key=long-key"}
    for harmless in ("webcam:1", "video.mp4", "/dev/video0", "rtsp://camera/live", "rtsp://[bad"):
        assert secrets_of(harmless) == []
    assert "12/er2ab" in secrets_of("rtsp://cam:12/er2ab@host/x")
    assert "er2ab" in secrets_of("rtsp://cam:12/er2ab@host/x")


def test_an_uncaught_error_of_a_thread_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", [SOURCE])
    try:
        raise RuntimeError(SOURCE)
    except RuntimeError:
        logs._log_uncaught(logs.threading.ExceptHookArgs((*sys.exc_info(), None)))
    (line,) = map(json.loads, lines(capsys))
    assert line["level"] == "error"
    assert "RuntimeError" in line["traceback"]
    assert "p%40ss-word" not in json.dumps(line)
