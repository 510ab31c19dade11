"""`mtclar-stream doctor`: check this installation, and name the packages that optional features need."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

State = Literal["ok", "absent", "broken"]

# module -> distribution that provides it
ESSENTIAL = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "cv2": "opencv-python-headless",
    "av": "av",
    "websockets": "websockets",
    "rich": "rich",
    "pydantic": "pydantic",
    "platformdirs": "platformdirs",
}
# extra -> its modules and their purpose
EXTRA_MODULES = {
    "train": (
        ("torch", "onnx", "numba", "sklearn", "matplotlib"),
        "`mtclar-stream train` and rendered people",
    ),
    "analysis": (("pandas", "matplotlib", "scipy"), "`segments`, `compare`, `plot` and `bids`"),
    "mediapipe": (("mediapipe",), "Google's face landmarker instead of the bundled one"),
    "tensorrt-rtx": (
        ("tensorrt_rtx", "cuda", "onnx", "filelock"),
        "`--backend tensorrt` on GeForce and RTX GPUs",
    ),
    "tensorrt": (("tensorrt", "cuda", "onnx", "filelock"), "`--backend tensorrt` on data-centre GPUs"),
    "studio": (("pyarrow", "segno"), "`studio`: recorded sessions, and a code for phones"),
    "lsl": (("pylsl",), "`run --sink lsl`"),
    "osc": (("pythonosc",), "`run --sink osc://HOST:PORT`"),
    "mqtt": (("paho",), "`run --sink mqtt://HOST:PORT/TOPIC`"),
    "nats": (("nats", "nkeys"), "`run --sink nats://HOST`, a fleet of workers behind `gateway`"),
}
MARKUP = {"ok": "[green]ok[/]", "absent": "[yellow]-[/]", "broken": "[red]broken[/]"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    what: str
    state: State
    detail: str
    hint: str = ""
    essential: bool = False  # required for every command


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check this installation: packages, networks, backends, cameras, calibration and port.

    The exit code is 1 if an essential part is missing or broken.
    """
    checks = list(all_checks())
    works = not any(check.essential and check.state != "ok" for check in checks)
    if as_json:
        import json

        from mtclar.cli.display.terminal import Terminal, print_text
        from mtclar.cli.main import version

        report = {"ok": works, "version": version(), "checks": [asdict(check) for check in checks]}
        print_text(Terminal(), json.dumps(report, indent=2))
    else:
        _print(checks, works)
    raise typer.Exit(0 if works else 1)


def all_checks() -> Iterator[Check]:
    """Run every check, the most basic first."""
    yield _python()
    for module, distribution in ESSENTIAL.items():
        yield _package(module, distribution)
    yield from _extras()
    yield _onnxruntime_providers()
    yield _tensorrt()
    yield from _models()
    yield _processor()
    yield _demo_clip()
    yield _gpu()
    yield _cameras()
    yield _default_support()
    yield _port()


def _python() -> Check:
    import platform

    return Check("Python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}", "", True)


def _package(module: str, distribution: str) -> Check:
    """Check an essential package by importing it; a wheel for another platform may be installed but not importable."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    install = f"pip install {distribution}"
    try:
        imported = import_module(module)
    except ModuleNotFoundError:
        return Check(module, "absent", "not installed", install, True)
    except Exception as error:  # a broken extension module may raise any exception
        return Check(
            module, "broken", f"{type(error).__name__}: {error}", f"{install} --force-reinstall", True
        )
    version = getattr(imported, "__version__", None)
    if version is None:
        try:
            version = installed(distribution)
        except PackageNotFoundError:
            version = "version unknown"
    return Check(module, "ok", str(version), "", True)


def _extras() -> Iterator[Check]:
    from importlib.util import find_spec

    from mtclar.engine.installation.extras import install_command

    for extra, (modules, purpose) in EXTRA_MODULES.items():
        absent = [module for module in modules if find_spec(module) is None]
        if absent:
            detail = f"for {purpose}; without {', '.join(absent)}"
            yield Check(f"extra [{extra}]", "absent", detail, install_command(extra))
        else:
            yield Check(f"extra [{extra}]", "ok", f"for {purpose}")


def _onnxruntime_providers() -> Check:
    try:
        import onnxruntime
    except Exception as error:  # reported in detail above
        return Check("backend onnxruntime", "broken", type(error).__name__, "", True)
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return Check("backend onnxruntime", "ok", f"can run on: {', '.join(providers)}", "", True)


def _tensorrt() -> Check:
    """Check whether `--backend tensorrt` can start, or name the first missing part."""
    from mtclar.engine.errors import BackendError

    what = "backend tensorrt"
    try:
        from mtclar.engine.backends.tensorrt.cache import default_folder
        from mtclar.engine.backends.tensorrt.device import open_device
        from mtclar.engine.backends.tensorrt_session import open_distribution

        distribution = open_distribution("tensorrt")
        device = open_device()
        try:
            distribution.require_target(device.capability)
        finally:
            device.close()
    except ImportError as error:
        from mtclar.engine.installation.extras import install_command

        return Check(what, "absent", f"without {error.name}", install_command("tensorrt-rtx"))
    except BackendError as error:
        return Check(what, "absent", error.what, error.hint)
    detail = f"{distribution.name} {distribution.version} on {device.name}; engines in {default_folder()}"
    return Check(what, "ok", detail)


def _models() -> Iterator[Check]:
    """Check that each bundled network matches its card and loads."""
    from mtclar.engine.errors import MtclarError

    reinstall = "pip install --force-reinstall mtclar-stream"
    try:
        from mtclar.engine import models
        from mtclar.engine.backends.session import open_session
    except ImportError as error:  # an essential package is missing, reported above
        yield Check("networks", "broken", str(error), "", True)
        return
    for name in (*models.NAMES, models.BLENDSHAPES):
        try:
            with open_session(models.path(name)) as session:
                detail = f"{models.card(name).sha256[:12]} matches its card; runs on {session.backend}"
            yield Check(f"network {name}", "ok", detail, "", True)
        except MtclarError as error:
            yield Check(f"network {name}", "broken", error.what, error.hint or reinstall, True)


def _processor() -> Check:
    """What `auto` runs on this processor, and the times that decided it."""
    from mtclar.engine.errors import MtclarError

    try:
        from mtclar.engine import models
        from mtclar.engine.backends import measured_choice
        from mtclar.engine.backends.session import AUTO_ON_CPU
        from mtclar.engine.installation.machine import instruction_sets, processor_name, usable_cores

        complaints: list[str] = []
        choice = measured_choice.choose(AUTO_ON_CPU, models.path("encoder"), progress=complaints.append)
    except ImportError as error:  # an essential package is missing, reported above
        return Check("processor", "broken", str(error))
    except MtclarError as error:
        return Check("processor", "broken", error.what, error.hint)
    with_sets = f" with {', '.join(instruction_sets())}" if instruction_sets() else ""
    times = ", ".join(f"{ms:.2f} ms with {name}" for name, ms in choice.face_ms.items())
    kept = complaints or [f"measured once, kept in {measured_choice.cache_file()}"]
    return Check(
        "processor",
        "ok",
        f"{processor_name()}{with_sets}; cores: {usable_cores()}. "
        f"`auto` runs {choice.backend}: the encoder takes {times} ({'; '.join(kept)})",
    )


def _demo_clip() -> Check:
    from mtclar.stream import demo_clip

    paths = (demo_clip.clip_path(), demo_clip.script_path(), demo_clip.calibration_path())
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        hint = "pip install --force-reinstall mtclar-stream"
        return Check("demo clip", "absent", f"without {', '.join(absent)}", hint)
    return Check("demo clip", "ok", f"{paths[0].stat().st_size / 1e6:.1f} MB")


def _gpu() -> Check:
    """Check for an NVIDIA GPU, which is optional."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Check("NVIDIA GPU", "absent", "none found (optional)")
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Check("NVIDIA GPU", "broken", f"nvidia-smi: {error}", "reinstall the driver, or use the CPU")
    return Check("NVIDIA GPU", "ok", "; ".join(answer.strip().splitlines()))


def _cameras() -> Check:
    import os
    import sys

    if not sys.platform.startswith("linux"):
        return Check(
            "cameras", "absent", "cannot be listed on this system", "try `mtclar-stream run --source webcam`"
        )
    try:
        from mtclar.stream.sources.webcam import list_cameras
    except ImportError as error:  # cv2 is missing, reported above
        return Check("cameras", "broken", f"cannot be listed: {error}")
    cameras = list_cameras()
    if not cameras:
        return Check("cameras", "absent", "none found", "connect one, or use --source rtsp://... or a file")
    listed = ", ".join(f"webcam:{camera.index} ({camera.name})" for camera in cameras)
    if not any(os.access(camera.path, os.R_OK | os.W_OK) for camera in cameras):
        hint = "sudo usermod -aG video $USER, then log in again"
        return Check("cameras", "broken", f"{listed}: no permission to open them", hint)
    return Check("cameras", "ok", listed)


def _default_support() -> Check:
    from mtclar.cli.display.terminal import counted
    from mtclar.cli.options import default_support_path
    from mtclar.engine.errors import MtclarError, UsageError

    try:
        path = default_support_path()
        if not path.exists():
            return Check("your calibration", "absent", f"none at {path}", "mtclar-stream calibrate")
    except UsageError as error:
        return Check("your calibration", "broken", error.what, error.hint)
    except OSError as error:
        return Check("your calibration", "broken", f"{error.filename}: {error.strerror}")
    try:
        from mtclar.engine.support_set import SupportSet, is_encrypted
        from mtclar.engine.tracker import Tracker

        if is_encrypted(path):
            return Check("your calibration", "ok", f"encrypted, {path}")
        support = SupportSet.load(path)
        with Tracker.open([support]):  # rejects a set of another encoder or framing
            pass
    except MtclarError as error:
        return Check("your calibration", "broken", error.what, error.hint)
    except ImportError as error:
        return Check("your calibration", "broken", f"cannot be read: {error}")
    return Check("your calibration", "ok", f"{support.subject}, {counted(len(support), 'frame')}, {path}")


def _port() -> Check:
    from mtclar.cli.options import HOST, PORT
    from mtclar.engine.errors import ServeError
    from mtclar.stream.server.http.listener import require_free

    try:
        require_free(HOST, PORT)
    except ServeError as error:
        return Check(f"port {PORT}", "absent", error.what, error.hint)
    return Check(f"port {PORT}", "ok", "free")


def _print(checks: list[Check], works: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from mtclar.cli.display.terminal import Terminal

    table = Table(box=None, pad_edge=False)
    for column in ("what", "state", "detail"):
        table.add_column(column, overflow="fold")
    for check in checks:
        detail = escape(check.detail) + (f"\n[dim]-> {escape(check.hint)}[/]" if check.hint else "")
        table.add_row(escape(check.what), MARKUP[check.state], detail)
    console = Terminal()
    console.print(table)
    console.print("Ready." if works else "[red]An essential part is missing or broken.[/]")
