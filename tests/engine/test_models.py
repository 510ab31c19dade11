"""Bundled networks: each agrees with its card, and a changed file or card is refused."""

import json
import shutil
from pathlib import Path

import pytest

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.errors import ModelError

FACE_NETWORKS = ("face_detector", "face_mesh")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled face networks that a test may spoil."""
    for name in FACE_NETWORKS:
        for suffix in (".onnx", ".json"):
            source = models.path(name).with_suffix(suffix)
            shutil.copy(source, tmp_path / source.name)
    monkeypatch.setattr(models, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FACE_NETWORKS)
def test_graph_matches_its_card(name: str) -> None:
    card = models.card(name)
    assert card.name == name
    assert "Apache-2.0" in card.licence
    assert models.sha256(models.path(name)) == card.sha256
    with open_session(models.path(name)) as session:
        assert set(session.inputs) == set(card.inputs)
        assert set(session.outputs) == set(card.outputs)


def test_a_changed_network_is_refused(folder: Path) -> None:
    graph = folder / "face_mesh.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        models.path("face_mesh")
    assert models.path("face_detector").is_file()


def test_missing_files_are_refused(folder: Path) -> None:
    (folder / "face_mesh.onnx").unlink()
    with pytest.raises(ModelError, match="missing") as caught:
        models.path("face_mesh")
    assert "pip install" in caught.value.hint
    (folder / "face_detector.json").unlink()
    with pytest.raises(ModelError, match="card is missing"):
        models.path("face_detector")


def test_networks_of_a_folder_are_checked_every_time(folder: Path) -> None:
    """An export may replace them while a program runs; the bundled ones are read once."""
    assert models.path("face_mesh", folder) == folder / "face_mesh.onnx"
    assert models.card("face_mesh", folder) == models.card("face_mesh")
    shutil.copy(folder / "face_detector.onnx", folder / "face_mesh.onnx")
    with pytest.raises(ModelError, match="sha256") as caught:
        models.path("face_mesh", folder)
    assert "export" in caught.value.hint
    with pytest.raises(ModelError, match="card is missing"):
        models.path("encoder", folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x", "colour": "red"}'])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"card\.json"):
        models.Card.read(path)


@pytest.mark.parametrize(
    "framing",
    [
        {"size": "x", "scale": 1.0, "shift_up": 0.0},
        {"size": -48, "scale": 1.0, "shift_up": 0.0},
        {"size": 48, "scale": float("nan"), "shift_up": 0.0},
        {"size": 10**400, "scale": 1.0, "shift_up": 0.0},
        {"size": 48, "scale": 10**400, "shift_up": 0.0},
        {"size": 48, "scale": 1.0},
        [48],
    ],
)
def test_a_card_that_frames_no_face_is_refused(tmp_path: Path, framing: object) -> None:
    fields = dict.fromkeys(("name", "sha256", "licence", "source", "inputs", "outputs"), "x")
    (tmp_path / "card.json").write_text(json.dumps(fields | {"framing": framing}))
    with pytest.raises(ModelError, match=r"card\.json is not a network's card: its framing is invalid"):
        models.Card.read(tmp_path / "card.json")


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card = models.Card(
        name="encoder",
        sha256="0" * 64,
        licence="Apache-2.0",
        source="trained here",
        inputs={"face": "uint8 [B, 48, 48]"},
        outputs={"embedding": "float32 [B, 128]"},
        data="faces",
        framing={"size": 48, "scale": 1.05, "shift_up": 0.05},
        embedding_dim=128,
        encoder_sha256="1" * 64,
        figures={"ccc": {"valence": 0.9}},
    )
    card.write(tmp_path / "encoder.json")
    assert models.Card.read(tmp_path / "encoder.json") == card
