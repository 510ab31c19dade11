"""The bundled networks and those of other folders, each with a card that describes it and holds its sha256."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

from mtclar.engine.errors import ModelError
from mtclar.engine.face.crop import FRAMING, Framing, framing_from
from mtclar.engine.files.writing import write_whole

NAMES = ("face_detector", "face_mesh", "encoder", "pair")
BLENDSHAPES = "face_blendshapes"
"""The network that runs only where blendshapes are asked for."""
EIGHT_BITS = frozenset({"encoder"})
"""Networks that run in eight bits; the face networks would lose accuracy, the pair network is too small to gain."""
REINSTALL = "install mtclar-stream again: pip install --force-reinstall mtclar-stream"
EXPORT_AGAIN = "export it again: mtclar-stream export CHECKPOINT --out DIR"


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """The encoder and framing that embeddings come from. Embeddings compare only where all of it is equal."""

    name: str = ""  # '': unknown
    sha256: str = ""  # of the graph's file
    framing: Framing = FRAMING
    embedding_dim: int = 0  # D; 0: unknown


UNKNOWN_ENCODER = EncoderIdentity()


@dataclass(frozen=True)
class Card:
    """Description of one network, in a JSON file beside the graph."""

    name: str
    sha256: str  # of the graph's file
    licence: str
    source: str  # of the weights
    inputs: Mapping[str, str]  # name -> type and shape, for people
    outputs: Mapping[str, str]
    data: str = ""  # training data
    framing: Mapping[str, float] | None = None  # fields of Framing that the encoder was trained with
    embedding_dim: int | None = None
    prior_free: bool = False  # of the encoder: its expression logits carry no class prior
    encoder_sha256: str | None = None  # of the pair network: the encoder that it was trained with
    figures: Mapping[str, Any] = field(default_factory=dict)  # measured accuracy

    @property
    def identity(self) -> EncoderIdentity:
        """The identity of the encoder that this card describes."""
        framing = FRAMING if self.framing is None else framing_from(self.framing)
        return EncoderIdentity(self.name, self.sha256, framing, self.embedding_dim or 0)

    def encode(self) -> bytes:
        """As JSON, for people and for `read`."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    def write(self, path: Path) -> None:
        """Writes the card whole or not at all. Raises WriteError."""
        write_whole(path, self.encode(), private=False)

    @classmethod
    def read(cls, path: Path, hint: str = REINSTALL) -> Self:
        """Raises ModelError with that hint when the card is missing or damaged."""
        try:
            card = cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise ModelError(f"{path}: the network's card is missing", hint) from error
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}", hint) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelError(f"{path} is not a network's card: {error}", hint) from error
        try:
            if card.framing is not None:
                framing_from(card.framing)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"{path} is not a network's card: its framing is invalid", hint) from error
        return card


def path(name: str, folder: Path | None = None) -> Path:
    """Path of a graph whose sha256 was checked against its card. Raises ModelError.

    `folder` holds graphs and cards as `export` writes them; None: the bundled ones, which are checked once.
    """
    expected = card(name, folder).sha256
    if folder is None:
        return _bundled(_folder() / f"{name}.onnx", expected)
    return _verified(folder / f"{name}.onnx", expected, EXPORT_AGAIN)


def card(name: str, folder: Path | None = None) -> Card:
    """The card of a graph. Raises ModelError when it is missing or damaged."""
    if folder is None:
        return Card.read(_folder() / f"{name}.json")
    return Card.read(folder / f"{name}.json", EXPORT_AGAIN)


def compare_path(folder: Path | None = None) -> Path:
    """Path of the constants of mtclar.engine.estimate.comparer, fitted to the encoder in the same folder."""
    return (folder or _folder()) / "compare.json"


def hidden_mouth_path() -> Path:
    """Path of the weights of mtclar.engine.estimate.hidden_mouth, fitted to the bundled encoder."""
    return _folder() / "hidden_mouth.json"


def sha256(file: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _bundled(file: Path, expected: str) -> Path:
    return _verified(file, expected, REINSTALL)


def _verified(file: Path, expected: str, hint: str) -> Path:
    if not file.is_file():
        raise ModelError(f"{file}: the network is missing", hint)
    if sha256(file) != expected:
        raise ModelError(f"{file} is not the network that its card describes: its sha256 differs", hint)
    return file


def _folder() -> Path:
    # A wheel is always unpacked when pip installs it, so the resource is a real folder.
    return Path(str(resources.files(__name__)))
