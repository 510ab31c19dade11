"""Sealed files: they open with the passphrase alone, and every byte is authenticated."""

import builtins

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError
from mtclar.engine.files import encryption
from mtclar.engine.files.encryption import HEAD_BYTES, MAGIC, SealedError, is_sealed, seal, unseal
from mtclar.engine.installation.extras import install_command


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "LOG_N", 4)  # a key in no time; what is stored beside it says so


@given(payload=st.binary(max_size=300), passphrase=st.text(min_size=1, max_size=20))
@settings(max_examples=30)
def test_what_is_sealed_comes_back(payload: bytes, passphrase: str) -> None:
    try:
        passphrase.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text that a person can type
        return
    data = seal(payload, passphrase)
    assert is_sealed(data)
    assert unseal(data, passphrase) == payload
    with pytest.raises(SealedError, match="wrong"):
        unseal(data, passphrase + "x")


def test_the_same_twice_has_nothing_in_common() -> None:
    one, other = seal(b"face", "p"), seal(b"face", "p")
    assert one[len(MAGIC) + 3 :] != other[len(MAGIC) + 3 :]


def test_no_byte_can_be_changed_and_none_left_out() -> None:
    data = seal(b"a support set", "p")
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(SealedError):
            unseal(bytes(changed), "p")
    for length in (0, 10, HEAD_BYTES - 1, HEAD_BYTES, len(data) - 1):
        with pytest.raises(SealedError):
            unseal(data[:length], "p")


@pytest.mark.parametrize("parameters", [(40, 8, 1), (20, 8, 1), (19, 8, 2), (10, 255, 255), (255, 1, 1)])
def test_a_file_cannot_ask_for_all_memory_or_time(parameters: tuple[int, int, int]) -> None:
    data = bytearray(seal(b"x", "p"))
    data[len(MAGIC) : len(MAGIC) + 3] = bytes(parameters)  # log2 n, r, p
    with pytest.raises(SealedError, match="512 MB"):
        unseal(bytes(data), "p")


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        seal(b"x", "")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as error:
        seal(b"x", "p")
    assert error.value.hint == install_command("encrypt")
