"""Logs as plain text or as one JSON object per line, both without passwords and tokens."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

from mtclar.engine.address import secrets_of
from mtclar.engine.text import printable

LogFormat = Literal["plain", "json"]

LOGGER = "mtclar.cli"
REDACTED = "***"
MIN_SECRET_LENGTH = 4  # replacing shorter ones would damage ordinary words; in a URL they are always replaced
_USER_INFO = re.compile(r"(?<=://)[^\s\"']+@")  # to the last @: a password may hold any sign
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")


def set_up_logs(form: LogFormat, sources: Iterable[str] = (), *tokens: str | None) -> None:
    """Set up the log of the process on stderr, without the tokens and the secrets in the source URLs."""
    secrets = [token for token in tokens if token]
    for source in sources:
        secrets += secrets_of(source)
    root = logging.getLogger()
    for previous in [handler for handler in root.handlers if isinstance(handler, _StderrHandler)]:
        root.removeHandler(previous)
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter(secrets) if form == "json" else _PlainFormatter(secrets))
    root.addHandler(handler)
    if form == "json":
        logging.getLogger("mtclar").setLevel(logging.INFO)
        threading.excepthook = _log_uncaught


def logs_json() -> bool:
    """Whether the log format is JSON; errors are then logged as JSON too."""
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in logging.getLogger().handlers)


def event(name: str, message: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event with its fields; the plain format shows warnings and errors only."""
    logging.getLogger(LOGGER).log(level, message, extra={"fields": {"event": name, **fields}})


class _StderrHandler(logging.Handler):
    """Write to the current stderr; ignore a closed pipe."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


class _RedactingFormatter(logging.Formatter):
    """Format a record, then remove secrets from the result, including messages and tracebacks of libraries."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        secret_texts = sorted(
            {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}, key=len, reverse=True
        )
        self._secrets = re.compile("|".join(map(re.escape, secret_texts))) if secret_texts else None

    def clean(self, text: str) -> str:
        """Return the text as printable lines without secrets."""
        text = "\n".join(printable(line, None) for line in text.split("\n"))
        text = _BEARER.sub(rf"\1{REDACTED}", _USER_INFO.sub(f"{REDACTED}@", text))
        return text if self._secrets is None else self._secrets.sub(REDACTED, text)

    def clean_all(self, value: Any) -> Any:
        """Return a JSON value without secrets."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {str(key): self.clean_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_all(item) for item in value]
        return value if isinstance(value, int | float | bool | None) else self.clean(str(value))


class _PlainFormatter(_RedactingFormatter):
    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        text = printable(
            f"{record.levelname.lower()}: {record.message}", None
        )  # one line: it may be a client's
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return self.clean(text)


class _JsonFormatter(_RedactingFormatter):
    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(self.clean_all(content), ensure_ascii=False)


def _log_uncaught(raised: threading.ExceptHookArgs) -> None:
    """Log the uncaught exception of a thread as one record."""
    if raised.exc_type is SystemExit or raised.exc_value is None:
        return
    thread_name = raised.thread.name if raised.thread is not None else "a thread"
    trace = (raised.exc_type, raised.exc_value, raised.exc_traceback)
    logging.getLogger(LOGGER).error("%s ended by an error", thread_name, exc_info=trace)


def report_error(what: str, hint: str) -> bool:
    """Log the error of a command if the format is JSON; return whether it was logged."""
    if not logs_json():
        return False
    event("error", what, logging.ERROR, **({"hint": hint} if hint else {}))
    return True
