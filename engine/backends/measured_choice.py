"""Which back end for the CPU is fastest on this processor: measured once, and kept in the user's cache.

Eight bits take a third of the time on processors with VNNI and half of it with AVX2; nobody knows of the others. So
`auto` runs the encoder with each candidate in turn for a fraction of a second. The result is kept for this processor,
these versions and this network. A cache that cannot be read or written only costs that time again.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mtclar.engine import models
from mtclar.engine.backends.onnxruntime_session import int8_path
from mtclar.engine.backends.session import open_session
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.files.reading import read_ordinary, user_folder
from mtclar.engine.files.writing import write_json
from mtclar.engine.installation.machine import instruction_sets, processor_name

FILE = "fastest-backends.json"  # in the user's cache folder
MAX_BYTES = 2**16
KEPT = (
    16  # measurements in the file: versions and processors come and go in a home folder that machines share
)
WARM_UP_RUNS = 5
BUDGET_S = 0.3  # of all runs together
MAX_RUNS = 60  # of each candidate
MARGIN = 1.1  # so many times faster than the first candidate must another one be: a tie would change values by chance


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that a measurement depends on."""

    processor: str
    instruction_sets: tuple[str, ...]
    onnxruntime: str  # its version
    graphs: tuple[str, ...]  # sha256 of the encoder and of its int8 copy
    threads: int

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """The fastest of the candidates, and what was measured."""

    backend: str
    face_ms: dict[str, float]  # milliseconds a face, by candidate


def fastest_first(
    candidates: Sequence[str],
    graphs: Sequence[Path],
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[str, ...]:
    """The candidates, the fastest one for the encoder among these graphs first.

    As they are where the encoder is not among them, has no int8 copy, or one of the candidates cannot run it.
    """
    encoder = next((graph for graph in graphs if graph.stem in models.EIGHT_BITS), None)
    if encoder is None or not int8_path(encoder).is_file():
        return tuple(candidates)
    try:
        chosen = choose(tuple(candidates), encoder, threads, progress).backend
    except MtclarError:
        return tuple(candidates)  # whoever opens them says why
    return (chosen, *(name for name in candidates if name != chosen))


def choose(
    candidates: tuple[str, ...],
    encoder: Path,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
    file: Path | None = None,
) -> Choice:
    """The kept choice, or one measured now. `file`: the cache; by default the user's.

    Raises what `open_session` raises.
    """
    key = _key(encoder, threads)
    file = file or cache_file()
    stored = None if file is None else _read(file).get(key.text())
    choice = _valid(stored, candidates)
    if choice is None:
        choice = _measured(candidates, encoder, threads, key)
        if file is not None:
            _store(file, key, choice, progress)
    return choice


def cache_file() -> Path | None:
    """Where choices are kept; None for a user without a home folder."""
    try:
        return user_folder("cache") / FILE
    except UsageError:
        return None


def measure(candidates: Sequence[str], encoder: Path, threads: int = 1) -> Choice:
    """Times the encoder with each candidate, in turn, on one face. Raises what `open_session` raises."""
    with ExitStack() as stack:
        encoders = {
            name: Encoder(stack.enter_context(open_session(encoder, name, threads))) for name in candidates
        }
        size = next(iter(encoders.values())).size
        face = np.random.default_rng(0).integers(0, 256, (1, size, size), np.uint8)
        for encode in encoders.values():
            for _ in range(WARM_UP_RUNS):
                encode(face)
        taken_s: dict[str, list[float]] = {name: [] for name in candidates}
        until_s = time.perf_counter() + BUDGET_S
        for run in range(MAX_RUNS):
            if run and time.perf_counter() > until_s:
                break
            for name, encode in encoders.items():
                started_s = time.perf_counter()
                encode(face)
                taken_s[name].append(time.perf_counter() - started_s)
    # The lower quartile: other work on the machine makes runs longer, never shorter.
    face_ms = {name: round(1e3 * float(np.percentile(taken, 25)), 4) for name, taken in taken_s.items()}
    first = candidates[0]
    best = min(candidates, key=lambda name: face_ms[name])
    return Choice(best if MARGIN * face_ms[best] < face_ms[first] else first, face_ms)


@cache
def _measured(candidates: tuple[str, ...], encoder: Path, threads: int, key: Key) -> Choice:  # noqa: ARG001
    """Once in a process, also where nothing can be kept; `key` makes it anew for another graph at that path."""
    return measure(candidates, encoder, threads)


def _key(encoder: Path, threads: int) -> Key:
    graphs = (encoder, int8_path(encoder))
    return Key(
        processor_name(),
        instruction_sets(),
        version("onnxruntime"),
        tuple(models.sha256(graph) for graph in graphs),
        threads,
    )


def _read(file: Path) -> dict[str, object]:
    """What the file holds; nothing where it is missing or damaged."""
    try:
        content = json.loads(read_ordinary(file, MAX_BYTES))
    except (OSError, ValueError, RecursionError, MtclarError):
        return {}
    return content if isinstance(content, dict) else {}


def _valid(stored: object, candidates: Sequence[str]) -> Choice | None:
    """A stored choice of exactly these candidates; None for anything else."""
    if not isinstance(stored, dict):
        return None
    backend, face_ms = stored.get("backend"), stored.get("face_ms")
    if not isinstance(backend, str) or backend not in candidates:
        return None
    if not isinstance(face_ms, dict) or set(face_ms) != set(candidates):
        return None
    if not all(isinstance(ms, int | float) and ms > 0 for ms in face_ms.values()):
        return None
    return Choice(backend, {name: float(face_ms[name]) for name in candidates})


def _store(file: Path, key: Key, choice: Choice, progress: Callable[[str], None] | None) -> None:
    """Keeps a choice; says so through `progress` where that is not possible."""
    kept = {**_read(file), key.text(): asdict(choice)}
    try:
        write_json(file, dict(list(kept.items())[-KEPT:]), private=False, indent=1)
    except (OSError, MtclarError) as error:
        if progress is not None:
            progress(f"The fastest back end cannot be kept: {error}. It is measured again next time.")
