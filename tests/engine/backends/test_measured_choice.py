"""The back end that `auto` takes on a CPU: measured once, kept, and never the reason of a failure."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.backends import session
from mtclar.engine.backends.measured_choice import FILE, choose, fastest_first
from mtclar.engine.backends.onnxruntime_session import int8_path
from mtclar.engine.backends.session import AUTO_ON_CPU, open_sessions
from mtclar.engine.errors import BackendError
from mtclar.engine.files.reading import user_folder

EIGHT, FULL = AUTO_ON_CPU


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in a user's cache of its own."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    assert user_folder("cache") == tmp_path / "cache"
    return tmp_path / "cache" / FILE


def prefer(cache: Path, backend: str) -> None:
    """Changes what was measured, so that a reader can be told from one who measures."""
    stored = json.loads(cache.read_text())
    for entry in stored.values():
        entry["backend"] = backend
    cache.write_text(json.dumps(stored))


def test_it_measures_every_candidate_once_and_keeps_the_result(cache: Path) -> None:
    encoder = models.path("encoder")
    first = choose(AUTO_ON_CPU, encoder)
    assert first.backend in AUTO_ON_CPU
    assert set(first.face_ms) == set(AUTO_ON_CPU)
    assert all(ms > 0 for ms in first.face_ms.values())
    for backend in AUTO_ON_CPU:
        prefer(cache, backend)
        kept = choose(AUTO_ON_CPU, encoder)
        assert (kept.backend, kept.face_ms) == (backend, first.face_ms)


def test_auto_follows_the_kept_choice_and_a_named_back_end_does_not(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: False)
    encoder = models.path("encoder")
    choose(AUTO_ON_CPU, encoder)
    face = np.zeros((1, 48, 48), np.uint8)
    for backend in AUTO_ON_CPU:
        prefer(cache, backend)
        opened = open_sessions([encoder])
        assert (opened.backend, opened.why) == (backend, session.NO_DRIVER)
        with opened.sessions[0] as network:
            assert network.run({"face": face})["absolute"].shape == (1, 2)
        for sessions in open_sessions([encoder], EIGHT).sessions:
            assert "int8" in sessions.backend
            sessions.close()


def test_another_number_of_threads_is_measured_for_itself(cache: Path) -> None:
    encoder = models.path("encoder")
    choose(AUTO_ON_CPU, encoder, threads=1)
    choose(AUTO_ON_CPU, encoder, threads=2)
    assert len(json.loads(cache.read_text())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b"null",
        b"[" * 10_000,
        b"x" * 100_000,
        {"backend": "abacus"},
        {"backend": 3},
        {"face_ms": {}},
        {"face_ms": {EIGHT: "fast", FULL: 1.0}},
        {"face_ms": {EIGHT: 0.0, FULL: 1.0}},
        {"face_ms": None},
    ],
)
def test_a_damaged_cache_is_measured_anew(cache: Path, damage: bytes | dict[str, object]) -> None:
    encoder = models.path("encoder")
    choose(AUTO_ON_CPU, encoder)
    good = json.loads(cache.read_text())
    if isinstance(damage, bytes):
        cache.write_bytes(damage)
    else:
        cache.write_text(json.dumps({key: {**entry, **damage} for key, entry in good.items()}))
    assert choose(AUTO_ON_CPU, encoder).backend in AUTO_ON_CPU
    assert set(json.loads(cache.read_text())) >= set(good)


def test_without_a_place_to_keep_it_the_choice_is_made_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "file" / FILE, tmp_path / "folder"):
        said: list[str] = []
        choice = choose(AUTO_ON_CPU, models.path("encoder"), progress=said.append, file=place)
        assert choice.backend in AUTO_ON_CPU
        assert "cannot be kept" in said[0]


def test_networks_without_a_choice_keep_the_order(cache: Path, tmp_path: Path) -> None:
    assert fastest_first(AUTO_ON_CPU, [models.path("pair"), models.path("face_mesh")]) == AUTO_ON_CPU
    alone = tmp_path / "encoder.onnx"
    shutil.copy(models.path("encoder"), alone)
    assert fastest_first(AUTO_ON_CPU, [alone]) == AUTO_ON_CPU
    int8_path(alone).write_bytes(b"not a network")
    assert fastest_first(AUTO_ON_CPU, [alone]) == AUTO_ON_CPU
    assert not cache.exists()


def test_a_named_candidate_that_cannot_run_here_is_an_error(cache: Path) -> None:
    with pytest.raises(BackendError):
        choose(("onnxruntime", "onnxruntime:cuda"), models.path("encoder"))
    assert not cache.exists()
