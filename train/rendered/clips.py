"""Clips of a rendered person whose valence and arousal follow a script, and their encoding as H.264.

A script sets the expressions, the turns of the head and the light over time; blinks, glances and talking are added and
do not change the labels. Times are seconds from the first frame.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.drawing.renderer import Light, View
from mtclar.train.rendered.person.expressions import EXPRESSIONS, NEUTRAL, Mixture, between, mixed
from mtclar.train.rendered.person.head import load_head, sided
from mtclar.train.rendered.person.idle import blink, gaze, glances, lids_closed, talking
from mtclar.train.rendered.person.people import Person

TRANSITION_S = 0.6  # from one held expression to the next
SENSOR_NOISE = 1.2  # grey levels


@dataclass(frozen=True, slots=True)
class Hold:
    """An expression at full strength from `start_s` to `end_s`; between two holds it changes smoothly."""

    start_s: float
    end_s: float
    mixture: Mixture = field(default_factory=dict)  # empty: neutral


@dataclass(frozen=True, slots=True)
class Turn:
    """The head pose at a time (radians, as in View); between two turns it changes smoothly."""

    time_s: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class LitAt:
    """The light at a time; between two times it changes smoothly."""

    time_s: float
    light: Light


@dataclass(frozen=True, slots=True)
class Script:
    """The expressions, motion and light of a clip."""

    seconds: float
    holds: Sequence[Hold]
    blinks: Sequence[float] = ()  # times of closed lids
    talks: Sequence[tuple[float, float]] = ()  # from, to
    turns: Sequence[Turn] = (Turn(0.0),)
    lights: Sequence[LitAt] = field(default_factory=lambda: (LitAt(0.0, Light()),))
    sway: float = 1.0  # how much the head moves by itself

    def mixture(self, time_s: float) -> dict[str, float]:
        """The expressions at a time."""
        before, after, share = _neighbours([(h.start_s, h.end_s) for h in self.holds], time_s)
        return between(self.holds[before].mixture, self.holds[after].mixture, share)

    def affect(self, time_s: float) -> tuple[float, float]:
        """Valence and arousal at a time."""
        return mixed(self.mixture(time_s))[1]

    def held(self, time_s: float) -> bool:
        """Whether an expression is at full strength, with open eyes and without talking."""
        return (
            any(hold.start_s <= time_s <= hold.end_s for hold in self.holds)
            and lids_closed(self.blinks, time_s) == 0
            and not any(start <= time_s <= end for start, end in self.talks)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One frame and its labels."""

    image: NDArray[np.uint8]  # [H, W, 3] BGR
    time_s: float
    valence: float
    arousal: float


def _neighbours(spans: Sequence[tuple[float, float]], time_s: float) -> tuple[int, int, float]:
    """The spans before and after `time_s` and the smooth blend between them (0..1); spans are in order."""
    after = next((i for i, (start, _) in enumerate(spans) if start > time_s), len(spans))
    if after == 0:
        return 0, 0, 0.0
    if after == len(spans) or time_s <= spans[after - 1][1]:
        return after - 1, after - 1, 0.0
    left, reached = spans[after - 1][1], spans[after][0]
    share = (time_s - left) / (reached - left)
    return after - 1, after, share * share * (3 - 2 * share)


def view_at(script: Script, time_s: float, phase: NDArray[np.float64], span: float) -> View:
    """The view at a time: the turns of the script and a slow sway with the given phases [6]."""
    before, after, share = _neighbours([(turn.time_s, turn.time_s) for turn in script.turns], time_s)
    a, b = script.turns[before], script.turns[after]

    def swayed(size: float, period_s: float, which: int) -> float:
        return script.sway * size * math.sin(2 * math.pi * time_s / period_s + phase[which])

    return View(
        yaw=(1 - share) * a.yaw + share * b.yaw + swayed(0.05, 7.3, 0) + swayed(0.02, 2.9, 1),
        pitch=(1 - share) * a.pitch + share * b.pitch + swayed(0.03, 5.1, 2),
        roll=(1 - share) * a.roll + share * b.roll + swayed(0.02, 6.1, 3),
        shift=(swayed(0.05, 9.0, 4), swayed(0.025, 4.3, 5)),
        span=span,
    )


def light_at(script: Script, time_s: float) -> Light:
    """The light at a time."""
    before, after, share = _neighbours([(lit.time_s, lit.time_s) for lit in script.lights], time_s)
    a, b = script.lights[before].light, script.lights[after].light
    towards = (1 - share) * a.towards + share * b.towards
    return Light(
        towards / np.linalg.norm(towards, axis=1, keepdims=True),
        (1 - share) * a.colour + share * b.colour,
        (1 - share) * a.ambient + share * b.ambient,
    )


def render_clip(
    person: Person,
    script: Script,
    size: tuple[int, int],
    fps: float,
    *,
    background: NDArray[np.float32],
    span: float = 3.9,
    supersample: int = 1,
    texture_side: int = 1024,
) -> Iterator[ClipFrame]:
    """The frames of a clip at `size` (width, height); deterministic for a person and a script."""
    rng = np.random.default_rng([13, person.person_id])
    phase = rng.uniform(0, 2 * math.pi, 6)
    jumps = glances(rng, script.seconds)
    renderer = person.renderer(size, supersample=supersample, texture_side=texture_side)
    for number in range(round(script.seconds * fps)):
        time_s = number / fps
        weights = face_at(person, script, jumps, time_s)
        picture = renderer.render(
            weights, view_at(script, time_s, phase, span), light_at(script, time_s), background
        )
        noisy = picture + rng.normal(0, SENSOR_NOISE, picture.shape)
        yield ClipFrame(np.clip(noisy, 0, 255).astype(np.uint8), time_s, *script.affect(time_s))


def face_at(
    person: Person, script: Script, jumps: Sequence[tuple[float, float, float]], time_s: float
) -> Mapping[str, float]:
    """Every face unit at a time, by full name."""
    head = load_head()
    weights = person.shows(mixed(script.mixture(time_s))[0], head)
    _, right, up = next(jump for jump in reversed(jumps) if jump[0] <= time_s)
    for name, weight in gaze(right, up).items():
        for unit in sided(name, head):
            weights[unit] = weights.get(unit, 0.0) + weight
    for unit, weight in talking(script.talks, time_s).items():
        weights[unit] = weights.get(unit, 0.0) + weight
    closed = lids_closed(script.blinks, time_s)
    return blink(weights, closed) if closed > 0 else weights


def random_script(rng: np.random.Generator, seconds: float) -> Script:
    """A script for a person of the test split: main expressions at random intensity, sometimes blended."""
    holds, time_s = [Hold(0.0, 0.6)], 0.6
    while time_s < seconds:
        start = time_s + TRANSITION_S * float(rng.uniform(0.7, 1.6))
        time_s = start + float(rng.uniform(0.3, 1.2))
        first, second = (
            str(name) for name in rng.choice([n for n in EXPRESSIONS if n != NEUTRAL], 2, replace=False)
        )
        mixture = {first: float(rng.uniform(0.4, 1.1))}
        if rng.uniform() < 0.3:
            mixture = between(mixture, {second: float(rng.uniform(0.4, 1.1))}, float(rng.uniform(0.2, 0.8)))
        holds.append(Hold(start, time_s, {} if rng.uniform() < 0.15 else mixture))
    blinks = np.cumsum(rng.uniform(1.5, 5.0, math.ceil(seconds / 1.5)))
    turns = [Turn(0.0)]
    while turns[-1].time_s < seconds:
        yaw, pitch, roll = rng.normal(0, [0.14, 0.07, 0.06])
        turns.append(Turn(turns[-1].time_s + float(rng.uniform(1, 4)), float(yaw), float(pitch), float(roll)))
    return Script(seconds, holds, [float(b) for b in blinks if b < seconds], turns=turns)


def encode_h264(
    frames: Iterable[NDArray[np.uint8]], path: Path, size: tuple[int, int], fps: int, crf: int = 23
) -> None:
    """Writes BGR frames [H, W, 3] of `size` (width, height) as an MP4; a lower `crf` looks better."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "1"}
        stream.time_base = Fraction(1, fps)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_labels(rows: Iterable[tuple[float, float, float]], path: Path) -> None:
    """Writes (time, valence, arousal) rows as labels.csv."""
    lines = [f"{time_s:.3f},{valence:.4f},{arousal:.4f}" for time_s, valence, arousal in rows]
    path.write_text("\n".join(["time,valence,arousal", *lines]) + "\n", encoding="utf-8")
