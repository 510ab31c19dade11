"""Addresses without their secrets, for labels, logs and support sets."""

from urllib.parse import urlsplit


def without_credentials(source: str) -> str:
    """`rtsp://user:password@host/path?token=x` -> `rtsp://host/path`; anything that is not an address is unchanged.

    User, password, query and fragment can all hold secrets, and so can what an invalid port was meant to be.
    """
    if "://" not in source:
        return source
    parts = urlsplit(source)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
