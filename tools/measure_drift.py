"""What `drift` says when light, pose or person change after calibration, on rendered test people: docs/drift.md.

    python tools/measure_drift.py [--people 1000:1003] [--write]

Each person is calibrated on ten frames of a clip of random expressions. Then another clip of them, with other
expressions, goes through the whole tracker, again and again: as at calibration, in other light, with
less light, turned, out of focus; and the clip of somebody else.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import table
from generated import replace_section
from numpy.typing import NDArray

from mtclar.calibrate.session import conditions
from mtclar.engine import models
from mtclar.engine.handover import Affect, Frame
from mtclar.engine.support import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.train.rendered.__main__ import people as people_range
from mtclar.train.rendered.clip_set import SIZE, SPAN
from mtclar.train.rendered.clips import ClipFrame, LitAt, Script, Turn, random_script, render_clip
from mtclar.train.rendered.people import Person
from mtclar.train.rendered.pictures import sample_background, sample_light
from mtclar.train.rendered.renderer import Light

PAGE = Path(__file__).resolve().parents[1] / "docs" / "drift.md"
FPS = 8.0
SECONDS = 8.0  # of a clip
RUN_S = 24.0  # of the run beside the support set
LABELS = 10
TURNED_RAD = 0.5

Clip = Sequence[ClipFrame]


@dataclass(frozen=True)
class Scenes:
    """The clips of one person: for calibration, and to run on."""

    calibration: Clip
    runs: dict[str, Clip]


def scenes(person_id: int) -> Scenes:
    """All clips of a person; the expressions of the runs are the same in each."""
    rng = np.random.default_rng([23, person_id])
    person = Person.sample(person_id)
    background = np.asarray(cv2.resize(sample_background(rng), SIZE), np.float32)
    light, other = sample_light(rng, person.look), sample_light(rng, person.look)
    first, second = (replace(random_script(rng, SECONDS), lights=[LitAt(0.0, light)]) for _ in range(2))

    def clip(script: Script) -> list[ClipFrame]:
        return list(render_clip(person, script, SIZE, FPS, background=background, span=SPAN))

    less = Light(light.towards, light.colour * 0.15, light.ambient * 0.15)
    turned = [replace(turn, yaw=turn.yaw + TURNED_RAD) for turn in (second.turns or [Turn(0.0)])]
    as_before = clip(second)
    return Scenes(
        clip(first),
        {
            "as at calibration": as_before,
            "other light": clip(replace(second, lights=[LitAt(0.0, other)])),
            "less light": clip(replace(second, lights=[LitAt(0.0, less)])),
            "turned by 29 degrees": clip(replace(second, turns=turned)),
            "out of focus": [
                replace(frame, image=np.asarray(cv2.GaussianBlur(frame.image, (0, 0), 2.5), np.uint8))
                for frame in as_before
            ],
        },
    )


def frames(clip: Clip, seconds: float) -> list[tuple[Frame, ClipFrame]]:
    """The clip to and fro, until the time is over."""
    there_and_back = [*clip, *reversed(clip)]
    shown = [there_and_back[i % len(there_and_back)] for i in range(round(seconds * FPS))]
    return [(Frame(one.image, i, i / FPS, "file", i / FPS, "clip"), one) for i, one in enumerate(shown)]


def calibrated(clip: Clip, tracker: Tracker) -> SupportSet:
    tracker.reset()
    found = [(tracker.find(frame).crops, truth) for frame, truth in frames(clip, SECONDS)]
    chosen = np.linspace(0, len(found) - 1, LABELS).round().astype(int)
    taken = [(found[i][0][0], found[i][1]) for i in chosen if found[i][0]]
    return SupportSet.from_encoded(
        tracker.encode([crop for crop, _ in taken]),
        np.clip(np.array([(truth.valence, truth.arousal) for _, truth in taken]), -1, 1),
        subject="somebody",
        model_name=tracker.model.name,
        model_sha256=tracker.model.sha256,
        framing=tracker.framing,
        conditions=np.array([conditions(crop) for crop, _ in taken]),
    )


@dataclass(frozen=True)
class Run:
    """One clip beside a support set, frame by frame."""

    answers: Sequence[Affect | None]
    truth: NDArray[Any]  # [n, 2]

    @property
    def said(self) -> list[tuple[str, ...]]:
        return [() if one is None else one.drift or () for one in self.answers]

    def measured(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Squared error [m] of the frames that were measured, and whether each was in support."""
        pairs = [(a.raw, t) for a, t in zip(self.answers, self.truth, strict=True) if a is not None and a.raw]
        error = [(raw.valence - t[0]) ** 2 + (raw.arousal - t[1]) ** 2 for raw, t in pairs]
        return np.array(error), np.array([raw.in_support for raw, _ in pairs], bool)


def run(clip: Clip, support: SupportSet) -> Run:
    answers: list[Affect | None] = []
    shown = frames(clip, RUN_S)
    with Tracker.open([support], max_faces=1) as tracker:
        for frame, _ in shown:
            faces = tracker(frame)
            answers.append(faces[0] if faces else None)
    truth = np.array([(one.valence, one.arousal) for _, one in shown])
    return Run(answers, truth)


def rows_of(runs: dict[str, list[Run]]) -> list[list[str]]:
    rows = []
    for name, every in runs.items():
        said = [reasons for one in every for reasons in one.said]
        after = [next((i / FPS for i, now in enumerate(one.said) if now), None) for one in every]
        counts = {reason: sum(reason in now for now in said) / len(said) for now in said for reason in now}
        words = ", ".join(f"{reason} {100 * share:.0f} %" for reason, share in sorted(counts.items()))
        begun = [when for when in after if when is not None]
        error, inside = (
            np.concatenate(parts) for parts in zip(*(one.measured() for one in every), strict=True)
        )
        rows.append(
            [
                name,
                f"{len(begun)} of {len(every)}",
                f"{np.median(begun):.0f} s" if begun else "-",
                words or "-",
                f"{100 * inside.mean():.0f} %" if len(inside) else "-",
                f"{np.sqrt(error.mean()):.3f}" if len(error) else "none measured",
                str(sum(flickers(one.said) for one in every)),
            ]
        )
    return rows


def flickers(said: Sequence[tuple[str, ...]]) -> int:
    """How often a reason that had ended began again."""
    count = 0
    for reason in {reason for now in said for reason in now}:
        holds = [reason in now for now in said]
        count += max(
            sum(now and not before for before, now in zip([False, *holds], holds, strict=False)) - 1, 0
        )
    return count


def main() -> None:
    """Prints or writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=people_range, default=people_range("1000:1003"), metavar="A:B")
    parser.add_argument("--write", action="store_true", help="into docs/drift.md")
    options = parser.parse_args()
    everybody: list[Scenes] = []
    for person_id in options.people:
        everybody.append(scenes(person_id))
        print(f"person {person_id}: rendered", flush=True)
    runs: dict[str, list[Run]] = {}
    for number, one in enumerate(everybody):
        with Tracker.open(max_faces=1) as tracker:
            support = calibrated(one.calibration, tracker)
        beside = everybody[(number + 1) % len(everybody)].runs["as at calibration"]
        for name, clip in {**one.runs, "somebody else": beside}.items():
            runs.setdefault(name, []).append(run(clip, support))
    encoder = models.card("encoder").sha256[:12]
    head = ["", "said of", "after", "share of the time", "in support", "RMSE", "began again"]
    text = (
        f"Encoder `{encoder}`; {len(everybody)} people, {LABELS} labels each, {RUN_S:.0f} s; "
        "RMSE of valence and arousal together.\n\n" + table(head, rows_of(runs))
    )
    if options.write:
        replace_section(PAGE, "measured", text)
        print(f"wrote {PAGE}")
    else:
        print(text)


if __name__ == "__main__":
    main()
