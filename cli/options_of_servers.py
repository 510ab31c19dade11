"""Options of the commands that serve: the address, who may connect, and the certificate."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.display.logs import LogFormat, set_up_logs
from mtclar.cli.options import HOST, PORT, TokenFileOption, read_token
from mtclar.engine.files.secret_files import warn_if_readable
from mtclar.stream.server.config import DEFAULT_LIMITS, ServerConfig
from mtclar.stream.server.limits import Limits

HostOption = Annotated[
    str, typer.Option(help="Address to listen on; one that other machines can reach needs a token.")
]
PortOption = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
]
PortOrFreeOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help=f"Port to listen on, by default {PORT}, or a free one if that is in use; 0 takes a free one.",
        show_default=False,
    ),
]
ViewTokenFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read a second token from a file: its clients may only subscribe."),
]
ReadOnlyOption = Annotated[
    bool,
    typer.Option(
        "--read-only",
        help="No client may mark, assign, send pictures or calibrate; each may only subscribe.",
    ),
]
OriginOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Allow pages of this origin to connect, in addition to the server's own; null for pages from files, "
        "as in OBS; repeatable.",
    ),
]
MaxClientsOption = Annotated[int | None, typer.Option(min=1, help="Most websockets at once.")]
MaxClientsPerAddressOption = Annotated[
    int | None, typer.Option(min=1, help="Most websockets of one address; raise it behind a proxy.")
]
TlsCertOption = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="PEM", help="Certificate chain, for https:// and wss://.")
]
TlsKeyOption = Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="Its private key.")]


@dataclass(frozen=True)
class ServerOptions:
    """Where a command serves, the secret of its clients, and its certificate."""

    host: HostOption = HOST
    port: PortOption = PORT
    token_file: TokenFileOption = None
    tls_cert: TlsCertOption = None
    tls_key: TlsKeyOption = None

    def config(
        self,
        log: LogFormat = "plain",
        sources: Iterable[str] = (),
        *,
        token: str | None = None,
        view_token_file: Path | None = None,
        read_only: bool = False,
        origins: Iterable[str] = (),
        limits: Limits = DEFAULT_LIMITS,
    ) -> ServerConfig:
        """The server's settings; sets up the log without the secrets, and warns of files with secrets that others can
        read. `sources` may have secrets in their addresses. Raises UsageError."""
        token, view_token = read_token(token, self.token_file), read_token(None, view_token_file)
        set_up_logs(log, sources, token, view_token)
        warn_if_readable(self.token_file, view_token_file, self.tls_key)
        tls = self.tls_cert, self.tls_key
        return ServerConfig(self.host, self.port, token, *tls, tuple(origins), limits, view_token, read_only)


@dataclass(frozen=True)
class PreferredPortOptions(ServerOptions):
    """The same, where another port is taken if the usual one is in use."""

    port: PortOrFreeOption = None


def limits_of(clients: int | None, per_address: int | None) -> Limits:
    """The server's limits, with those that were given in place of the defaults."""
    given = {"clients": clients, "clients_per_address": per_address}
    return replace(Limits(), **{name: value for name, value in given.items() if value is not None})
