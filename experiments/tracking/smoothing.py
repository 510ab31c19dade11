"""Lag against jitter of every smoother, as the tables of docs/results/smoothing.md.

    python -m experiments.tracking.smoothing [--noise 0.02 0.03 0.06] [--fps 25] [--grid]
    python -m experiments.tracking.smoothing --clip FILE

Signals are synthetic, so that the truth is known and the run is repeatable: a face at rest, a step, an expression that
comes within half a second, and a script of expressions with holds. White noise is added to each frame; how much the
encoder really shows is measured by `--clip`, from the second differences of the raw values of the first face.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.estimate import SMOOTHERS
from mtclar.engine.estimate.smoothing import (
    Exponential,
    ExponentialParams,
    Kalman,
    KalmanParams,
    OneEuro,
    Smoother,
    make_smoother,
)
from mtclar.engine.one_euro import OneEuroParams
from tools.arguments import parser_of

Array = NDArray[np.float64]
DRAWS = 20
SD = 0.2  # that the estimates carry; the Kalman filter reads it
ONSET_S = 0.5
STEP = 0.6  # from neutral to a clear smile, in valence


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    name: str
    jitter: float  # RMS of the output on a face at rest, in parts of the input's
    step_50_ms: float  # until half of a step is reached
    step_90_ms: float
    onset_ms: float  # delay at half height of an expression that comes within half a second
    rmse: float  # against a script of expressions

    def row(self) -> str:
        times = f"{self.step_50_ms:.0f} | {self.step_90_ms:.0f} | {self.onset_ms:.0f}"
        return f"| {self.name} | {self.jitter:.2f} | {times} | {self.rmse:.4f} |"


def smoothed(smoother: Smoother, times: Array, signal: Array) -> Array:
    """signal [T] through one smoother -> [T]."""
    return np.array([smoother(t, (v, v), (SD, SD))[0][0] for t, v in zip(times, signal, strict=True)])


def script(times: Array, rng: np.random.Generator) -> Array:
    """Expressions that come within 0.3 to 1.2 s, stay 0.5 to 3 s, and give way to the next."""
    knots, levels, t_s = [0.0], [0.0], 0.0
    while t_s < times[-1]:
        level = rng.uniform(-0.8, 0.8)
        for gap_s, value in ((rng.uniform(0.5, 3.0), levels[-1]), (rng.uniform(0.3, 1.2), level)):
            t_s += gap_s
            knots.append(t_s)
            levels.append(value)
    share = np.interp(times, knots, np.arange(len(knots)))
    before, part = np.floor(share).astype(int), share % 1
    after = np.minimum(before + 1, len(levels) - 1)
    eased = part**2 * (3 - 2 * part)
    return np.take(levels, before) * (1 - eased) + np.take(levels, after) * eased


def crossing_ms(times: Array, signal: Array, level: float, since_s: float) -> float:
    """When the signal first passes `level`, in ms after `since_s`; between samples by interpolation."""
    i = int(np.argmax(signal >= level))
    part = (level - signal[i - 1]) / (signal[i] - signal[i - 1])
    return float(times[i - 1] + part * (times[i] - times[i - 1]) - since_s) * 1000


def measure(name: str, make: Callable[[], Smoother], noise: float, fps: float) -> Measured:
    """Averages over DRAWS draws of the noise; delays are those of the averaged output."""
    times = np.arange(0, 20, 1 / fps)
    starts_s = 10.0
    step = np.where(times < starts_s, 0.0, STEP)
    onset = STEP * np.clip((times - starts_s) / ONSET_S, 0, 1)
    rest, errors, steps, onsets = [], [], [], []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        added = rng.normal(0, noise, len(times))
        truth = script(times, rng)
        rest.append(smoothed(make(), times, added)[int(2 * fps) :])
        errors.append(smoothed(make(), times, truth + added) - truth)
        steps.append(smoothed(make(), times, step + added))
        onsets.append(smoothed(make(), times, onset + added))
    on_step, on_onset = np.mean(steps, 0), np.mean(onsets, 0)
    return Measured(
        name,
        jitter=_rms(rest) / noise,
        step_50_ms=crossing_ms(times, on_step, STEP * 0.5, starts_s - 1 / fps),
        step_90_ms=crossing_ms(times, on_step, STEP * 0.9, starts_s - 1 / fps),
        onset_ms=crossing_ms(times, on_onset, STEP * 0.5, starts_s + ONSET_S / 2),
        rmse=_rms(errors),
    )


def _rms(signals: list[Array]) -> float:
    return float(np.sqrt(np.mean(np.square(signals))))


def noise_of_clip(path: str) -> None:
    """Prints the white noise of the raw V/A of the first face of a clip: sd of second differences over sqrt(6)."""
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.sources import open_source

    values: list[tuple[float, float]] = []
    with Tracker.open(max_faces=1, smoother="none") as tracker, closing(open_source(path)) as source:
        for frame in source.frames():
            values += [
                (face.raw.valence, face.raw.arousal) for face in tracker(frame) if face.raw is not None
            ]
    noise = np.diff(np.array(values), n=2, axis=0).std(0) / np.sqrt(6)
    print(f"{path}: {len(values)} frames, noise of valence {noise[0]:.4f}, of arousal {noise[1]:.4f}")


def settings() -> Iterator[tuple[str, Callable[[], Smoother]]]:
    """The grid that the defaults were chosen from."""
    for cutoff, beta, speed in itertools.product((0.2, 0.4, 0.6), (2.0, 3.0, 4.0), (0.3, 0.5, 1.0)):
        params = OneEuroParams(cutoff, beta, speed)
        yield f"one-euro {cutoff} Hz, beta {beta:g}, speed {speed} Hz", partial(OneEuro, params)
    for cutoff in (0.5, 0.8, 1.0, 1.5, 2.0):
        yield f"exponential {cutoff} Hz", partial(Exponential, ExponentialParams(cutoff))
    for drift in (0.02, 0.04, 0.08, 0.16):
        yield f"kalman drift {drift}", partial(Kalman, KalmanParams(drift_per_sqrt_s=drift))


def main() -> None:
    """Prints the tables."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--noise", type=float, nargs="+", default=[0.02, 0.03, 0.06], help="sd of each frame's noise"
    )
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument(
        "--grid", action="store_true", help="the settings that were tried instead of the defaults"
    )
    parser.add_argument("--clip", help="measure the noise of the encoder on this clip instead")
    options = parser.parse_args()
    if options.clip:
        noise_of_clip(options.clip)
        return
    tried = list(settings()) if options.grid else [(name, partial(make_smoother, name)) for name in SMOOTHERS]
    for noise in options.noise:
        print(f"\nNoise {noise:g} a frame, {options.fps:g} frames/s:\n")
        print(
            "| smoother | jitter left | step to 50 %, ms | to 90 %, ms | onset delay, ms | RMSE on the script |"
        )
        print("|---|---|---|---|---|---|")
        for name, make in tried:
            print(measure(name, make, noise, options.fps).row(), flush=True)


if __name__ == "__main__":
    main()
