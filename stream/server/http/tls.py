"""The server's TLS certificate: loaded at the start and again when its files change; connections stay open."""

import asyncio
import logging
import ssl
import threading
from pathlib import Path

from mtclar.engine.errors import MtclarError, ServeError, UsageError

log = logging.getLogger(__name__)

CHECK_S = 10.0


class Certificate:
    """A TLS context of a certificate and its key; new handshakes use the files loaded last.

    Raises UsageError or ServeError when the files cannot be used. Safe to use from any thread.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._newest = self.context = _context(cert, key)
        # A handshake gets one whole context: loaded into the one in use, a certificate would stand there for a moment
        # without its key.
        self.context.sni_callback = self._use_newest

    def reload_if_changed(self) -> bool:
        """Loads changed files; True if they are in use now. Logs one warning if they cannot be used."""
        with self._lock:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            return self._reload()

    def reload(self) -> bool:
        """Loads the files; False, with a warning, if they cannot be used: the old ones stay in use."""
        with self._lock:
            self._seen = self._stamp()
            return self._reload()

    def _reload(self) -> bool:
        try:
            self._newest = _context(self._cert, self._key)
        except MtclarError as error:
            log.warning("the certificate is not renewed, the old one stays: %s", error.what)
            return False
        log.info("certificate %s loaded again", self._cert)
        return True

    def _use_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes with the files, whether they are written in place, renamed or linked."""
        stamps: list[tuple[int, int, int] | None] = []
        for path in (self._cert, self._key):
            try:
                found = path.stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(stamps)


async def keep_fresh(served: Certificate) -> None:
    """Checks the files every CHECK_S until it is cancelled, so that renewals need no signal."""
    while True:
        await asyncio.sleep(CHECK_S)
        await asyncio.to_thread(served.reload_if_changed)


def certificate(cert: Path | None, key: Path | None) -> Certificate | None:
    """The server's certificate; None without files. Raises UsageError or ServeError when they cannot be used."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise UsageError("TLS needs a certificate and its key", "give both --tls-cert and --tls-key")
    return Certificate(cert, key)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (cert, key):
        if not path.is_file():
            raise UsageError(f"there is no file {path}", "name the PEM files of a certificate and its key")
    try:
        context.load_cert_chain(cert, key, password="")  # an encrypted key fails here instead of asking
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) else error
        raise ServeError(
            f"the certificate {cert} with the key {key} cannot be used: {reason}",
            "both are PEM files, and the key has no passphrase",
        ) from error
    return context
