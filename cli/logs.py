"""Logs: sentences for people, or one JSON object a line for machines; neither ever holds a password or a token."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

LogFormat = Literal["plain", "json"]

LOGGER = "mtclar.cli"
REDACTED = "***"
SHORTEST_SECRET = (
    4  # a shorter one would make holes into ordinary words; in an address it is found all the same
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"']+@")
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")


def set_up_logs(form: LogFormat, sources: Iterable[str] = (), token: str | None = None) -> None:
    """Sets up the process's log on stderr. The token, and what is secret in the sources' addresses, never get there."""
    secrets = [token] if token else []
    for source in sources:
        secrets += secrets_of(source)
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, _Stderr)]:
        root.removeHandler(before)
    handler = _Stderr()
    handler.setFormatter(_Json(secrets) if form == "json" else _Plain(secrets))
    root.addHandler(handler)
    if form == "json":
        logging.getLogger("mtclar").setLevel(logging.INFO)
        threading.excepthook = _log_uncaught


def speaks_json() -> bool:
    """Whether errors, too, have to be JSON."""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)


def event(name: str, message: str, level: int = logging.INFO, **fields: Any) -> None:
    """Logs something that happened, with its figures; in plain logs only warnings are seen."""
    logging.getLogger(LOGGER).log(level, message, extra={"fields": {"event": name, **fields}})


def secrets_of(source: str) -> list[str]:
    """What of a source's address nobody may read: the password and the query, as written and decoded."""
    try:
        parts = urlsplit(source)
        password = parts.password
    except ValueError:
        return []
    found = [part for part in (password, parts.query) if part] if parts.scheme and parts.netloc else []
    return [*found, *(unquote(part) for part in found)]


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at that moment; a reader who has gone is no error of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


class _Redacting(logging.Formatter):
    """Formats, and takes secrets out of what results: whatever a library puts into its messages or tracebacks."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        named = sorted({one for one in secrets if len(one) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, named))) if named else None

    def clean(self, text: str) -> str:
        """The text without secrets."""
        text = _BEARER.sub(rf"\1{REDACTED}", _USER_INFO.sub(f"{REDACTED}@", text))
        return text if self._secrets is None else self._secrets.sub(REDACTED, text)

    def clean_all(self, value: Any) -> Any:
        """The same for whatever JSON can hold."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {str(key): self.clean_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_all(item) for item in value]
        return value if isinstance(value, int | float | bool | None) else self.clean(str(value))


class _Plain(_Redacting):
    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        text = f"{record.levelname.lower()}: {record.message}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return self.clean(text)


class _Json(_Redacting):
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
    """A thread that broke: its traceback is one line as well."""
    if raised.exc_type is SystemExit or raised.exc_value is None:
        return
    where = raised.thread.name if raised.thread is not None else "a thread"
    trace = (raised.exc_type, raised.exc_value, raised.exc_traceback)
    logging.getLogger(LOGGER).error("%s ended by an error", where, exc_info=trace)


def report_error(what: str, hint: str) -> bool:
    """Logs what made the command fail, where logs are JSON; False leaves it to the caller."""
    if not speaks_json():
        return False
    event("error", what, logging.ERROR, **({"hint": hint} if hint else {}))
    return True
