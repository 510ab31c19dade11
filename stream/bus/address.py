"""The address of a NATS bus, `nats://[USER@]HOST[:PORT][,HOST...][/PREFIX][?OPTIONS]`, and its credentials."""

import logging
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.engine.files.secret_files import first_line, warn_if_readable
from mtclar.stream.server.access import is_loopback

log = logging.getLogger(__name__)

PORT = 4222
PREFIX = "mtclar"
SCHEMES = ("nats", "nats+tls")
FORM = "write nats://HOST:PORT/PREFIX or nats+tls://USER@HOST:PORT/PREFIX?password-file=FILE (docs/server/fleet.md)"
FILES = {
    "password-file": "password",
    "token-file": "token",
    "creds": "credentials",
    "nkey": "nkey seed",
    "ca": "certificates",
    "cert": "certificate",
    "key": "private key",
}
"""Options that name a file -> what is in it."""

OPTIONS = (*FILES, "history", "replicas", "name")
HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
TOKEN = re.compile(r"[A-Za-z0-9_-]+")
SPAN = re.compile(r"([0-9]+)([smh])")
UNITS_S = {"s": 1, "m": 60, "h": 3600}
MOST_HISTORY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Bus:
    """Where the bus is and how to connect; its repr holds no secret, only files that do."""

    servers: tuple[str, ...]  # nats://HOST:PORT or tls://HOST:PORT
    prefix: str = PREFIX  # the first part of every subject
    tls: bool = False
    user: str | None = None
    files: dict[str, Path] = field(default_factory=dict)  # by option: FILES
    history_s: float | None = None  # how much a JetStream stream keeps; None: nothing is kept
    replicas: int = 1  # of what JetStream keeps
    name_prefix: str = ""  # of the streams of this process, so that their names differ from others'

    @property
    def name(self) -> str:
        """The servers for messages to people, without user and files."""
        return ",".join(self.servers)

    def connect_options(self) -> dict[str, Any]:
        """What `nats.connect` takes. Raises UsageError when a file cannot be read."""
        options: dict[str, Any] = {"servers": list(self.servers)}
        for option, what in FILES.items():
            if (file := self.files.get(option)) is None:
                continue
            path = expand_home(file)
            text = first_line(file, what, FORM)
            if option not in ("ca", "cert"):
                warn_if_readable(file)
            if option == "password-file":
                options |= {"user": self.user, "password": text}
            elif option == "token-file":
                options["token"] = text
            elif option == "creds":
                options["user_credentials"] = str(path)
            elif option == "nkey":
                options["nkeys_seed"] = str(path)
        sent = {"password-file", "token-file"} & self.files.keys()
        hosts = [server.partition("://")[2].rpartition(":")[0] for server in self.servers]
        if sent and not self.tls and not all(map(is_loopback, hosts)):
            log.warning("the secret for %s is sent without encryption; use nats+tls://", self.name)
        if self.tls:
            options["tls"] = self._tls_context()
        return options

    def _tls_context(self) -> ssl.SSLContext:
        ca, cert, key = (
            None if (file := self.files.get(name)) is None else str(expand_home(file))
            for name in ("ca", "cert", "key")
        )
        try:
            context = ssl.create_default_context(cafile=ca)
            if cert is not None:
                context.load_cert_chain(cert, key)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"cannot use the certificates for {self.name}: {error}", FORM) from error
        return context


def parse_bus(url: str) -> Bus:
    """The bus of an address with its scheme. Raises UsageError, whose text never holds the address."""
    scheme, separator, argument = url.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        raise UsageError("the address of the bus begins with nats:// or nats+tls://", FORM)
    return bus_of(argument, tls=scheme == "nats+tls")


def bus_of(argument: str, *, tls: bool) -> Bus:
    """The bus of the address behind `://`. Raises UsageError, whose text never holds it: it may have a password."""
    place, _, query = argument.partition("?")
    authority, _, prefix = place.partition("/")
    user, at, hosts = authority.rpartition("@")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        servers = tuple(_server(host, tls) for host in hosts.split(","))
    except ValueError as error:
        raise UsageError("the address of the NATS server cannot be read", FORM) from error
    if ":" in user:
        raise UsageError(
            "other users can see a password in an address", "put it into a file: ?password-file=FILE"
        )
    if unknown := options.keys() - set(OPTIONS):
        raise UsageError(f"nats has no option '{min(unknown)}'", f"it has: {', '.join(OPTIONS)}")
    prefix = prefix.strip("/") or PREFIX
    if not TOKEN.fullmatch(prefix):
        raise UsageError("the prefix of the subjects is letters, digits, - and _", FORM)
    files = {name: Path(options[name]) for name in FILES if name in options}
    ways = [name for name in ("password-file", "token-file", "creds", "nkey") if name in files]
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]} exclude each other", "choose one kind of credentials")
    if bool(at) != ("password-file" in files):
        raise UsageError("a user needs a password, and a password needs the name of a user", FORM)
    if not tls and ({"ca", "cert", "key"} & files.keys()):
        raise UsageError("certificates are for TLS", "write nats+tls://")
    if ("cert" in files) != ("key" in files):
        raise UsageError("a certificate of the client needs its key, and a key its certificate", FORM)
    return Bus(
        servers=servers,
        prefix=prefix,
        tls=tls,
        user=unquote(user) if at else None,
        files=files,
        history_s=span_s(options["history"]) if "history" in options else None,
        replicas=_replicas(options.get("replicas", "1")),
        name_prefix=f"{options['name']}-" if options.get("name") else "",
    )


def _server(host: str, tls: bool) -> str:
    match = HOST.fullmatch(host)
    if match is None or not 0 < int(match[2] or PORT) < 2**16:
        raise ValueError
    return f"{'tls' if tls else 'nats'}://{match[1]}:{match[2] or PORT}"


def span_s(text: str) -> float:
    """A time such as 90s, 5m or 1h in seconds. Raises UsageError."""
    match = SPAN.fullmatch(text)
    seconds = 0 if match is None else int(match[1]) * UNITS_S[match[2]]
    if not 0 < seconds <= MOST_HISTORY_S:
        raise UsageError("history is a time of at most 24 hours", "write history=90s, 5m or 1h")
    return float(seconds)


def _replicas(text: str) -> int:
    if text not in ("1", "3", "5"):
        raise UsageError("replicas is 1, 3 or 5", "3 for a cluster of three servers")
    return int(text)
