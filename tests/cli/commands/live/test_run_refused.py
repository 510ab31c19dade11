"""`mtclar-stream run`: each thing that can be wrong is said in a sentence, and nothing is left behind."""

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mtclar.cli.options import PORT
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--source", "/no/such/file.mp4"), 2, "there is no file"),
        (("--source", "/etc"), 2, "is not a file"),
        (("--source", "ftp://host/x"), 2, "there is no source 'ftp'"),
        (("--source", "webcam:77"), 1, "there is no camera 77"),
        (("--source", "demo", "--freshness", "soon"), 2, "there is no freshness 'soon'"),
        (("--source", "demo", "--smoother", "magic"), 2, "smoother"),
        (("--source", "demo", "--backend", "abacus"), 2, "there is no backend"),
        (("--source", "demo", "--support", "/no/me.mtclar"), 2, "there is no support set"),
        (("--source", "demo", "--support", "none", "--support", "a.mtclar"), 2, "cannot be combined"),
        (("--source", "demo", "--host", "0.0.0.0"), 2, "there is no token"),
        (
            ("--source", "demo", "--preview", "--host", "0.0.0.0", "--token", "long enough"),
            2,
            "--preview-remote",
        ),
        (
            ("--source", "demo", "--host", "203.0.113.9", "--token", "long enough"),
            1,
            "not an address of this",
        ),
        (("--source", "demo", "--token", "short"), 2, "token is shorter"),
        (("--source", "demo", "--token", "long enough", "--token-file", "x"), 2, "exclude each other"),
        (("--source", "demo", "--token-file", "/no/token"), 2, "cannot read the token file"),
        (("--source", "demo", "--view-token-file", "/no/token"), 2, "cannot read the token file"),
        (("--source", "browser", "--read-only"), 2, "--read-only forbids"),
        (("--source", "demo", "--read-only", "--calibrate"), 2, "--read-only forbids"),
        (("--source", "demo", "--tls-cert", "/no/cert.pem"), 2, "--tls-key"),
        (
            ("--source", "demo", "--tls-cert", "/no/c.pem", "--tls-key", "/no/k.pem"),
            2,
            "there is no file /no/c.pem",
        ),
        (("--source", "demo", "--csv", "/proc/none/values.csv"), 2, "cannot write"),
        (("--source", "demo", "--record", "/proc/none"), 2, "cannot write"),
        (("--source", "demo", "--record-video"), 2, "need --record FOLDER"),
        (
            ("--source", "demo", "--record", "x", "--record-on-request", "--read-only"),
            2,
            "--read-only forbids",
        ),
        (("--source", "demo", "--faces", "dlib"), 2, "there is no face finder 'dlib'"),
        (("--source", "demo", "--faces", "mediapipe"), 2, "mediapipe:FILE"),
        (("--source", "demo", "--faces", "mediapipe:/no/x.task"), 2, "there is no such file"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    arguments: tuple[str, ...], code: int, says: str, command: Command
) -> None:
    done = command("run", "--port", "0", *arguments)
    assert says in done.err
    assert done.code == code
    assert len(done.err.splitlines()) <= 2
    assert "frames answered" not in done.out


def test_files_that_are_no_video(command: Command, tmp_path: Path, audio_file: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for path, says in (
        (tmp_path / "text.mp4", "not a video"),
        (tmp_path / "empty.mp4", "not a video"),
        (audio_file, "only sound"),
    ):
        done = command("run", "--source", path, "--port", "0")
        assert done.code == 1
        assert says in done.err
        assert path.name in done.err


def test_a_damaged_or_foreign_support_set_is_refused(
    command: Command, face_clip: Path, support: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "values.csv"
    payload = support.read_bytes()
    arguments = ("run", "--source", face_clip, "--port", "0", "--support", support, "--csv", rows)

    support.write_bytes(payload[: len(payload) // 2])
    done = command(*arguments)
    assert done.code == 1
    assert "is damaged or not a support set" in done.err

    support.write_bytes(payload)
    another = EncoderIdentity("another", "f" * 64)
    replace(SupportSet.load(support), encoder=another).save(support)
    done = command(*arguments)
    assert done.code == 1
    assert "was made with the encoder another" in done.err
    assert "mtclar-stream calibrate" in done.err

    support.write_bytes(payload)
    made = SupportSet.load(support)
    own = made.encoder
    for other, says in (
        ({"embeddings": made.embeddings[:, :64], "encoder": replace(own, embedding_dim=64)}, "of 64 numbers"),
        ({"encoder": replace(own, framing=replace(own.framing, scale=1.4))}, "faces cut another way"),
    ):
        replace(made, **other).save(support)
        done = command(*arguments)
        assert done.code == 1
        assert says in done.err
        assert "bug" not in done.err
        assert "frames answered" not in done.out
    assert not rows.exists()


def test_a_port_in_use_leaves_nothing_behind(command: Command, face_clip: Path, tmp_path: Path) -> None:
    rows, summary = tmp_path / "values.csv", tmp_path / "summary.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command(
            "run", "--source", face_clip, "--port", str(port), "--csv", rows, "--summary-json", summary
        )
    assert done.code == 1
    assert f"port {port} is in use" in done.err
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_have_a_port_each(command: Command, face_clip: Path, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # another run of this machine has it
            holder.bind(("127.0.0.1", PORT))
            holder.listen()
        done = command("run", "--source", face_clip, "--support", "none", "--csv", tmp_path / "values.csv")
    assert done.code == 0, done.err
    assert f"warning: port {PORT} is in use" in done.out
    assert re.search(r"Dashboard  http://127\.0\.0\.1:(?!8765)\d+/", done.out)
    assert len((tmp_path / "values.csv").read_text().splitlines()) > 50


def test_a_csv_that_is_there_is_overwritten_with_force_alone(
    command: Command, face_clip: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "values.csv"
    rows.write_text("mine")
    arguments = ("run", "--source", face_clip, "--port", "0", "--no-live", "--csv", rows)
    done = command(*arguments)
    assert done.code == 2
    assert "exists already" in done.err
    assert "--force" in done.err
    assert rows.read_text() == "mine"
    assert command(*arguments, "--force").code == 0
    assert len(rows.read_text().splitlines()) == 51
    assert "mine" not in rows.read_text()


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_without_a_driver_says_what_is_missing(
    command: Command, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(
        "tensorrt_rtx", reason="TensorRT for RTX is not installed; `make setup-all` brings it"
    )
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pass
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # a machine with a card: hide it
    done = command("run", "--source", "demo", "--support", "none", "--port", "0", "--backend", backend)
    assert done.code == 1
    assert "NVIDIA" in done.err
    assert "--backend onnxruntime" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--backend", "auto", "--provider", "cuda"], "name a backend"),
        (["--backend", "onnxruntime:cpu", "--provider", "cuda"], "cannot be combined with"),
        (["--backend", "onnxruntime", "--provider", "abacus"], "a provider is one of"),
    ],
)
def test_a_provider_that_cannot_be_is_a_usage_error(command: Command, options: list[str], says: str) -> None:
    done = command("run", "--source", "demo", "--support", "none", "--port", "0", *options)
    assert done.code == 2
    assert says in done.err


# --- fixtures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def audio_file(tmp_path: Path) -> Path:
    """A second of a tone."""
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        wave = (8000 * np.sin(np.arange(16000) / 8)).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
