"""Addresses without their secrets, for labels, logs and support sets."""

import re
from urllib.parse import unquote, urlsplit

ESCAPE_HINT = "write / ? # @ in a user name or password as %2F %3F %23 %40"
HIDDEN = "…"  # of an address whose parts cannot be told from a password


def without_credentials(source: str) -> str:
    """`rtsp://user:password@host/path?token=x` -> `rtsp://host/path`; anything that is not an address is unchanged.

    User, password, query and fragment can all hold secrets, and so can what an invalid port was meant to be. An @
    ends the password even where a / ? or # in it ends the host by the rules: nothing before the last @ is shown. Where
    that @ may also be part of a query or fragment, nothing is.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    before, _, after = rest.rpartition("@")
    if re.search("[?#]", before):
        return f"{scheme}://{HIDDEN}"
    try:
        parts = urlsplit(f"{scheme}://{after}")
    except ValueError:  # [ without ]
        return f"{scheme}://{HIDDEN}"
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def is_ambiguous(source: str) -> bool:
    """Whether an @ follows a / ? or #: perhaps these signs belong to a password and are not escaped."""
    return re.search(r"://[^/?#]*[/?#].*@", source) is not None


def secrets_of(source: str) -> list[str]:
    """The secrets in an address, as written and decoded: password and query, and the parts of an ambiguous password."""
    try:
        parts = urlsplit(source)
        found = [parts.password, parts.query] if parts.scheme and parts.netloc else []
    except ValueError:
        return []
    if is_ambiguous(source):
        password = source.partition("://")[2].rpartition("@")[0].partition(":")[2]
        found += [password, *re.split("[/?#@]", password)]
    given = list(dict.fromkeys(text for text in found if text))
    return [*given, *(unquote(text) for text in given)]
