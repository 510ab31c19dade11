"""`bench` measures real stages, clients and scaling; small here, since no test asserts a time."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mtclar.cli.benchmark import effort, end_to_end, report, scaling
from mtclar.cli.benchmark.compare import compare, parse, ratio
from mtclar.cli.benchmark.gpu import GpuMeter
from mtclar.cli.benchmark.material import Material, tiled
from mtclar.cli.benchmark.stages import STAGES
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.stream.pipeline import streams
from mtclar.stream.pipeline.batching import Batcher
from mtclar.stream.pipeline.summary import percentiles

Command = Callable[..., Any]
TINY = effort.Effort(
    frames=12,
    paced_s=1.5,
    start_ups=1,
    sizes=effort.Sizes(streams=(1, 2), faces=(1, 4), support=(1, 8), batch=(1, 3), frames=12, rounds=5),
    loads=(effort.Load(), effort.Load(fps=10.0, streams=2, faces=4)),
    load_s=1.0,
)


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "QUICK", TINY)


@pytest.fixture(scope="module")
def material() -> Material:
    return Material.prepare(None, None)


@pytest.mark.usefixtures("_tiny")
def test_the_whole_measurement(command: Command, tmp_path: Path) -> None:
    done = command(
        "bench",
        "--quick",
        "--backend",
        "onnxruntime",
        "--json",
        tmp_path / "b.json",
        "--html",
        tmp_path / "b.html",
    )
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "b.json").read_text())
    assert set(figures) == {"machine", "backend", "stages_ms", "end_to_end", "latency", "scaling"}
    assert figures["backend"] == "onnxruntime (CPU)"
    assert tuple(figures["stages_ms"]) == STAGES
    for stage, taken in figures["stages_ms"].items():
        assert 0 < taken["p50"] <= taken["p95"] <= taken["p99"], stage
    end = figures["end_to_end"]
    assert set(end) == {"unpaced_fps", "cpu_cores", "latency_ms", "messages_per_s", "peak_rss_mb"}
    assert set(end["latency_ms"]) == {"p50", "p95", "p99"}
    assert end["unpaced_fps"] > 0
    assert 0 < end["messages_per_s"] < 31  # paced at 30
    assert end["peak_rss_mb"] > 50
    assert [(row["fps"], row["streams"], row["faces"]) for row in figures["latency"]] == [
        (30, 1, 1),
        (10, 2, 4),
    ]
    for row in figures["latency"]:
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p99"]
        assert 0 < row["answered_share"] <= 1
        assert row["collections_ms"]["longest"] <= row["collections_ms"]["sum"]
    assert [row["streams"] for row in figures["scaling"]["streams"]] == [1, 2]
    assert [row["seen"] for row in figures["scaling"]["faces"]] == [
        1,
        4,
    ]  # what is timed are really that many faces
    assert [row["support"] for row in figures["scaling"]["support"]] == [1, 8]
    assert [row["batch"] for row in figures["scaling"]["batch"]] == [1, 3]
    for text in ("landmarks", "frames/s", "cores"):
        assert text in done.out
    assert report.is_report(tmp_path / "b.json")
    assert report.is_report(tmp_path / "b.html")
    page = (tmp_path / "b.html").read_text()
    assert page.count("<svg") == 5
    assert "http" not in page  # asks for nothing from elsewhere
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".html")]


@pytest.mark.usefixtures("_tiny")
def test_two_backends_side_by_side(command: Command, tmp_path: Path) -> None:
    done = command(
        "bench", "--quick", "--compare", "onnxruntime", "onnxruntime:cpu@2", "--json", tmp_path / "c.json"
    )
    assert done.code == 0, done.err
    compared = json.loads((tmp_path / "c.json").read_text())["compare"]
    assert compared["a"]["name"] == "onnxruntime"
    for kind in ("frame_ratio", "estimate_ratio", "cpu_ratio"):
        assert 0 < compared[kind]["low"] <= compared[kind]["median"] <= compared[kind]["high"]
    assert compared["largest_difference"] < 1e-4  # the same networks
    assert "Side by side" in done.out


def test_the_interval_of_a_ratio_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    b = rng.uniform(5, 10, 60)
    found = ratio(list(b * 1.5 * rng.normal(1, 0.05, 60)), list(b), rng)
    assert found.low <= 1.5 <= found.high
    assert found.high - found.low < 0.1


def test_a_backend_may_carry_threads() -> None:
    assert parse("onnxruntime:cpu@2") == ("onnxruntime:cpu", 2)
    assert parse("tensorrt") == ("tensorrt", 1)
    with pytest.raises(UsageError, match="threads"):
        parse("onnxruntime@many")


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(
    ("options", "says", "code"),
    [
        (["--source", "/no/clip.mp4"], "there is no file /no/clip.mp4", 2),
        (["--json", "/proc/b.json"], "cannot write /proc/b.json", 2),
        (["--json", __file__], "exists already", 2),
        (["--source", __file__, "--json", __file__], "would be overwritten", 2),
        (["--json", "x.json", "--html", "x.json"], "exclude each other", 2),
        (["--backend", "abacus"], "there is no backend 'abacus'", 2),
        (["--compare", "onnxruntime", "abacus"], "there is no backend 'abacus'", 2),
        (["--compare", "onnxruntime", "onnxruntime", "--html", "x.html"], "--html cannot be combined", 2),
    ],
)
@pytest.mark.usefixtures("_tiny")
def test_what_cannot_be_is_said_in_words(command: Command, options: list[str], says: str, code: int) -> None:
    done = command("bench", "--quick", *options)
    assert done.code == code
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_clip_without_a_face_is_said(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effort, "QUICK", TINY)
    clip = tmp_path / "grey.mp4"
    _grey(clip)
    done = command("bench", "--quick", "--source", clip)
    assert done.code == 1
    assert "show a face that can be followed" in done.err


def test_a_process_that_dies_is_quoted(material: Material) -> None:
    with pytest.raises(MtclarError, match="abacus") as caught:
        end_to_end.measure(material, "abacus", 1, unpaced_frames=5, paced_s=0.2)
    assert "measured process failed" in caught.value.what


def test_a_comparison_with_itself_differs_by_nothing(material: Material) -> None:
    compared = compare(material, "onnxruntime", "onnxruntime", 30)
    assert compared.largest_difference == 0
    assert compared.a.backend == compared.b.backend


def test_a_picture_tiled_has_the_size_of_one() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    assert tiled(picture, 1) is picture
    assert tiled(picture, 4).shape == picture.shape
    three = tiled(picture, 3)
    assert not three[60:, 80:].any()


@pytest.mark.parametrize(
    "text",
    ["hello", "[]", "3", '{"machine": 1}', '{"stages_ms": {}}', 'KEYS = {"machine", "stages_ms"}', "\udcff"],
)
def test_what_is_no_report_is_not_overwritten(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert not report.is_report(path)
    assert not report.is_report(tmp_path)


def test_a_page_escapes_what_it_is_told() -> None:
    figures = {
        "machine": {"cpu": "<script>", "cores": 1, "load_1min": 0, "gpu": {"joules_per_frame": 0.25}},
        "backend": "x",
        "stages_ms": {"decode": {"p50": 1.0, "p95": 2.0, "p99": None}},
        "end_to_end": {
            "unpaced_fps": 1.0,
            "cpu_cores": 1.0,
            "latency_ms": {"p50": 1.0, "p95": None, "p99": None},
            "messages_per_s": 1.0,
            "peak_rss_mb": None,
        },
        "latency": [],
        "scaling": {"streams": [{"streams": 1, "fps": 3.0}], "batch": []},
    }
    page = report.html(figures)
    assert "<script>" not in page
    assert "joules per frame" in page


def test_a_card_is_watched_through_nvml() -> None:
    """A stand-in of pynvml with a counter of energy."""

    class Nvml:
        class NVMLError(Exception):
            pass

        energy = 1000

        def __init__(self) -> None:
            self.open = 0

        def nvmlInit(self) -> None:
            self.open += 1

        def nvmlShutdown(self) -> None:
            self.open -= 1

        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            return index

        def nvmlDeviceGetTotalEnergyConsumption(self, _: int) -> int:
            self.energy += 500
            return self.energy

        def nvmlDeviceGetUtilizationRates(self, _: int) -> SimpleNamespace:
            return SimpleNamespace(gpu=40)

        def nvmlDeviceGetMemoryInfo(self, _: int) -> SimpleNamespace:
            return SimpleNamespace(used=250_000_000)

    nvml = Nvml()
    meter = GpuMeter(nvml)
    with meter:
        for _ in range(500):
            if meter._memory:
                break
            meter._done.wait(0.01)
    assert meter.report(10) == {
        "utilisation_percent": 40.0,
        "device_memory_mb": 250.0,
        "joules_per_frame": 0.05,
    }
    assert nvml.open == 0


def test_a_card_that_counts_little_tells_what_it_counts() -> None:
    """A slice of a card has memory, no utilisation and no counter of energy."""

    class Slice:
        class NVMLError(Exception):
            pass

        def nvmlInit(self) -> None: ...

        def nvmlShutdown(self) -> None: ...

        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            return index

        def nvmlDeviceGetTotalEnergyConsumption(self, _: int) -> int:
            raise self.NVMLError("Not Supported")

        nvmlDeviceGetUtilizationRates = nvmlDeviceGetTotalEnergyConsumption

        def nvmlDeviceGetMemoryInfo(self, _: int) -> SimpleNamespace:
            return SimpleNamespace(used=100_000_000)

    meter = GpuMeter(Slice())
    with meter:
        for _ in range(500):
            if meter._memory:
                break
            meter._done.wait(0.01)
    assert meter.report(10) == {"device_memory_mb": 100.0}


def test_a_driver_without_a_card_is_no_card() -> None:
    class Cardless:
        def nvmlInit(self) -> None: ...

        def nvmlDeviceGetHandleByIndex(self, _: int) -> None:
            raise LookupError("Not Found")

    with GpuMeter(Cardless()) as meter:
        pass
    assert meter.report(10) is None


def test_a_process_without_output_is_killed() -> None:
    with ExitStack() as stack:
        child = end_to_end.Child.start(
            stack, "the clients", "clients", "ws://192.0.2.1:9/ws", "1"
        )  # nobody answers
        with pytest.raises(MtclarError, match=r"the clients failed: no output for 0\.2 s"):
            child.read_line(timeout_s=0.2)


def test_many_streams_share_an_encoder_where_that_pays(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `run` has them on a card; here the CPU stands in for it."""
    monkeypatch.setattr(streams, "ON_CPU", frozenset())
    joined: list[str] = []
    join = Batcher.join
    monkeypatch.setattr(Batcher, "join", lambda self, name: joined.append(name) or join(self, name))
    assert scaling._streams(material, material.frames(6), "onnxruntime", 1, 2) > 0
    assert joined == ["stream 0", "stream 1"]


def test_without_a_card_there_is_nothing_to_report() -> None:
    class Absent:
        def nvmlInit(self) -> None:
            raise RuntimeError("Driver Not Loaded")

    with GpuMeter(Absent()) as meter:
        pass
    assert meter.report(10) is None


def _grey(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(10):
            grey = np.full((120, 160, 3), 128, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "bgr24")))
        container.mux(stream.encode())
