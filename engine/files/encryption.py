"""Files encrypted with a passphrase: scrypt derives the key, AES-256-GCM encrypts and authenticates.

    magic | log2 n, r, p (1 byte each) | salt [16] | nonce [12] | ciphertext and tag

The parameters and the salt are authenticated with the text. Needs the package `cryptography` (the extra `encrypt`).
scrypt: RFC 7914, with the parameters that OWASP's Password Storage Cheat Sheet names first (n = 2^17, r = 8, p = 1:
128 MB and some tenths of a second). GCM: NIST SP 800-38D; every file has a random nonce, and a random salt unless one
Sealer writes several.
"""

import secrets
from typing import TYPE_CHECKING

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.installation.extras import install_command

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"MTCLAR-SEALED-1\n"
LOG_N, R, P = 17, 8, 1
MAX_WORK_BYTES = 512 * 2**20  # of 128 n r p, which bounds both memory and time; ours is a quarter of it
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
HEAD_BYTES = len(MAGIC) + 3 + SALT_BYTES + NONCE_BYTES


class SealedError(MtclarError):
    """A sealed file cannot be opened: the passphrase is wrong, or bytes were changed."""


def is_sealed(data: bytes) -> bool:
    """Whether a file that begins with `data` is one of these."""
    return data.startswith(MAGIC)


class Sealer:
    """Encrypts several files with one passphrase; the key, which is slow to derive, is derived once.

    Raises UsageError for an empty passphrase, and when `cryptography` is not installed.
    """

    def __init__(self, passphrase: str) -> None:
        self._start = MAGIC + bytes((LOG_N, R, P)) + secrets.token_bytes(SALT_BYTES)
        self._cipher = _cipher(self._start, passphrase)

    def __call__(self, payload: bytes) -> bytes:
        """The file's bytes."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        head = self._start + nonce
        return head + self._cipher.encrypt(nonce, payload, head)


def seal(payload: bytes, passphrase: str) -> bytes:
    """The bytes of a single file. Raises what Sealer raises."""
    return Sealer(passphrase)(payload)


def unseal(data: bytes, passphrase: str) -> bytes:
    """The plain bytes. Raises SealedError; UsageError for an empty passphrase or without `cryptography`."""
    head = data[:HEAD_BYTES]
    log_n, r, p = head[len(MAGIC) : len(MAGIC) + 3] if len(head) == HEAD_BYTES else (0, 0, 0)
    if not (is_sealed(data) and log_n and r and p):
        raise SealedError("the encrypted file is cut short or damaged")
    if 128 * 2**log_n * r * p > MAX_WORK_BYTES:
        raise SealedError(
            f"the encrypted file asks for more than {MAX_WORK_BYTES // 2**20} MB of memory or as much time to open",
            "it is damaged, or not by this program",
        )
    cipher = _cipher(head, passphrase)
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(head[-NONCE_BYTES:], data[HEAD_BYTES:], head)
    except InvalidTag as error:
        raise SealedError("the passphrase is wrong, or the file is damaged", "try again") from error


def _cipher(head: bytes, passphrase: str) -> "AESGCM":
    if not passphrase:
        raise UsageError("the passphrase is empty", "one character at least; several words are better")
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError as error:
        raise UsageError(
            "encrypted support sets need the package cryptography", install_command("encrypt")
        ) from error
    log_n, r, p = head[len(MAGIC) : len(MAGIC) + 3]
    salt = head[len(MAGIC) + 3 : len(MAGIC) + 3 + SALT_BYTES]
    kdf = Scrypt(salt=salt, length=KEY_BYTES, n=2**log_n, r=r, p=p)
    return AESGCM(kdf.derive(passphrase.encode()))
