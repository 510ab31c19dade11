"""The settings of one server as one object: address, access, TLS files and limits."""

from dataclasses import dataclass
from pathlib import Path

from mtclar.stream.server.access import NO_ORIGIN, Access, is_loopback
from mtclar.stream.server.limits import Limits

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Raises UsageError when clients elsewhere could connect without a token, or a token or origin is invalid."""

    host: str = DEFAULT_HOST
    port: int | None = DEFAULT_PORT  # 0: a free one; None: the default, or a free one if it is in use
    token: str | None = None
    tls_cert: Path | None = None  # PEM files
    tls_key: Path | None = None
    origins: tuple[
        str, ...
    ] = ()  # of web pages that may connect, besides the server's own: scheme://host[:port]
    limits: Limits = DEFAULT_LIMITS
    view_token: str | None = None  # for clients that may only subscribe
    read_only: bool = False  # all clients may only subscribe

    def __post_init__(self) -> None:
        _ = self.access  # validates

    @property
    def usual_port(self) -> int:
        """The port to try first."""
        return DEFAULT_PORT if self.port is None else self.port

    @property
    def access(self) -> Access:
        """Who may connect."""
        return Access(self.host, self.token, self.origins, self.view_token, self.read_only)

    def warnings(self) -> list[str]:
        """What is allowed and still unwise, in sentences."""
        warnings = []
        if not is_loopback(self.host) and self.tls_cert is None:
            warnings.append(
                "the stream leaves this machine unencrypted: add --tls-cert and --tls-key, or use a tunnel"
            )
        if NO_ORIGIN in self.origins and self.token is None:
            warnings.append(
                "--origin null lets any web page connect, from a sandboxed frame: add --token-file"
            )
        return warnings
