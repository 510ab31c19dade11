"""Reported drift after a change of light, pose, focus or person (docs/results/drift.md).

    python -m experiments.tracking.drift_scenes test_scenes --people 1000:1012
    python -m experiments.tracking.drift_scenes tune_scenes --people 960:972
    python -m experiments.tracking.drift --scenes test_scenes --tune-scenes tune_scenes [--write]

Each person is calibrated on LABELS frames of a clip of random expressions. Then a clip with other expressions follows
in the light and pose of calibration, and after it a scene with one thing changed, or somebody else, to and fro for
RUN_S. The limits of `drift` were set on the tuning people; the test people are for the table alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.tracking.drift_scenes import CALIBRATION, FPS, UNCHANGED, Scene, load
from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.data_types import Estimate, FaceCrop
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.drift import DriftWatch, Reason
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.quality import RUN_LIMITS, conditions, quality_issues
from mtclar.engine.support_set import SupportSet
from tools.arguments import parser_of
from tools.docs.figures import RESULTS, table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULT = ROOT / "docs" / "results" / "drift.md", RESULTS / "data" / "drift.json"
RUN_S = 32.0  # of a run beside the support set
LABELS = 10
OTHER = "somebody else"

MEANT: Mapping[
    str, Sequence[str]
] = {  # the reasons that say what changed; none: it is no drift, or not of light or pose
    "half the light": ("darker",),
    "a seventh of the light": ("darker",),
    "twice the light": ("brighter",),
    "turned by 15 degrees": ("turned",),
    "turned by 29 degrees": ("turned",),
    "looking down by 20 degrees": ("turned",),
    "out of focus": ("blurred",),
    "light from the side": ("unlike", "darker", "brighter"),
    OTHER: ("unlike", "darker", "brighter", "turned", "blurred"),
}


@dataclass(frozen=True)
class Seen:
    """A scene beside a support set."""

    crops: Sequence[FaceCrop]
    estimates: Mapping[int, Estimate]  # of the frames within the quality limits
    va: NDArray[np.float32]  # [n, 2]

    def squared(self) -> list[float]:
        """Error of the frames that were measured."""
        pairs = [(self.va[i], one) for i, one in self.estimates.items()]
        return [float((v - one.valence) ** 2 + (a - one.arousal) ** 2) for (v, a), one in pairs]


@dataclass(frozen=True)
class Run:
    """What was said at every frame from the change on."""

    seen: Seen
    said: Sequence[tuple[str, ...]]

    def begun(self, reasons: Iterable[str]) -> float | None:
        """Seconds from the change until the first of these reasons is said."""
        return next((i / FPS for i, now in enumerate(self.said) if set(now) & set(reasons)), None)

    def beginnings(self) -> int:
        """How often any reason began."""
        return sum(len(set(now) - set(before)) for before, now in pairwise([(), *self.said]))


def calibrated(scene: Scene, encoder: Encoder) -> SupportSet:
    rows = np.linspace(0, len(scene) - 1, LABELS).round().astype(int)
    crops = [scene.crops()[row] for row in rows]
    return SupportSet.from_encoded(
        encoder(scene.images[rows]),
        scene.va[rows],
        subject="somebody",
        conditions=np.array([conditions(crop) for crop in crops]),
    )


def seen(scene: Scene, support: SupportSet, encoder: Encoder, pair: InferenceSession) -> Seen:
    crops = scene.crops()
    good = [i for i, crop in enumerate(crops) if not quality_issues(crop, RUN_LIMITS)]
    with Comparer(pair, support) as comparer:
        estimates = comparer(encoder(scene.images[good]))
    return Seen(crops, dict(zip(good, estimates, strict=True)), scene.va)


def run(before: Seen | None, then: Seen, support: SupportSet) -> Run:
    """One scene once, and the other to and fro until the time is over."""
    order = [(before, i) for i in range(len(before.crops))] if before is not None else []
    changed = len(order)
    there_and_back = [*range(len(then.crops)), *reversed(range(len(then.crops)))]
    order += [(then, there_and_back[i % len(there_and_back)]) for i in range(round(RUN_S * FPS))]
    watch = DriftWatch(support)
    said: list[tuple[Reason, ...]] = []
    now: tuple[Reason, ...] = ()
    for step, (of, i) in enumerate(order):
        if i in of.estimates:  # while a face is not measured, the last reasons stay
            now = watch(step / FPS, of.crops[i], of.estimates[i])
        said.append(now)
    return Run(then, said[changed:])


def runs_of(folder: Path, encoder: Encoder, pair: InferenceSession) -> dict[str, list[Run]]:
    """Everybody's runs, by the name of the scene."""
    people = [load(path) for path in sorted(folder.glob("*.npz"))]
    runs: dict[str, list[Run]] = {}
    for number, scenes in enumerate(people):
        support = calibrated(scenes.pop(CALIBRATION), encoder)
        beside = people[(number + 1) % len(people)][UNCHANGED]
        found = {
            name: seen(scene, support, encoder, pair) for name, scene in {**scenes, OTHER: beside}.items()
        }
        for name, then in found.items():
            before = None if name == UNCHANGED else found[UNCHANGED]
            runs.setdefault(name, []).append(run(before, then, support))
    return runs


def summary(name: str, every: Sequence[Run]) -> dict[str, Any]:
    """The figures of one scene over people."""
    meant = MEANT.get(name, ())
    begun = [when for one in every if (when := one.begun(meant)) is not None]
    said = [now for one in every for now in one.said]
    reasons = sorted({reason for now in said for reason in now})
    squared = [error for one in every for error in one.seen.squared()]
    inside = [estimate.in_support for one in every for estimate in one.seen.estimates.values()]
    return {
        "people": len(every),
        "meant": list(meant),
        "said_of": len(begun) if meant else None,
        "after_s": float(np.median(begun)) if begun else None,
        "people_by_reason": {r: sum(one.begun([r]) is not None for one in every) for r in reasons},
        "other_reasons_of": sum(any(set(now) - set(meant) for now in one.said) for one in every),
        "beginnings_a_minute": sum(one.beginnings() for one in every) / (len(every) * RUN_S / 60),
        "in_support": float(np.mean(inside)) if inside else None,
        "rmse": float(np.sqrt(np.mean(squared))) if squared else None,
    }


def rows_of(summaries: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    rows = []
    for name, of in summaries.items():
        by_reason = ", ".join(f"{reason} {count}" for reason, count in of["people_by_reason"].items())
        rows.append(
            [
                name,
                f"{of['said_of']} of {of['people']}" if of["meant"] else "-",
                "-" if of["after_s"] is None else f"{of['after_s']:.0f} s",
                by_reason or "-",
                "-" if of["in_support"] is None else f"{100 * of['in_support']:.0f} %",
                "none measured" if of["rmse"] is None else f"{of['rmse']:.3f}",
            ]
        )
    return rows


def false_alarms(of: Mapping[str, Any]) -> str:
    minutes = of["people"] * RUN_S / 60
    return (
        f"{of['other_reasons_of']} of {of['people']} people, {of['beginnings_a_minute']:.1f} a minute "
        f"({minutes:.1f} minutes)"
    )


def main() -> None:
    """Prints or writes the tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--scenes", type=Path, required=True, help="folder of scenes of test people")
    parser.add_argument("--tune-scenes", type=Path, required=True, help="of the people for the limits")
    parser.add_argument("--write", action="store_true", help=f"into docs/{PAGE.name} and {RESULT.name}")
    options = parser.parse_args()
    found = {}
    with open_session(models.path("encoder")) as session, open_session(models.path("pair")) as pair:
        encoder = Encoder(session)
        for split, folder in (("tuning", options.tune_scenes), ("test", options.scenes)):
            runs = runs_of(folder, encoder, pair)
            found[split] = {name: summary(name, every) for name, every in runs.items()}
    head = ["", "said of", "after", "people by reason", "in support", "RMSE"]
    sha256 = models.card("encoder").sha256
    parts = [
        f"Encoder `{sha256[:12]}`; {LABELS} labels each, {RUN_S:.0f} s at {FPS:.0f} frames/s; RMSE of valence and "
        "arousal together."
    ]
    for split, of in found.items():
        parts += [
            f"{split.capitalize()} people. False alarms in the light and pose of calibration: "
            f"{false_alarms(of[UNCHANGED])}.",
            table(head, rows_of(of)).strip(),
        ]
    text = "\n\n".join(parts)
    if options.write:
        replace_section(PAGE, "measured", text)
        RESULT.write_text(json.dumps({"encoder": sha256, **found}, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {PAGE} and {RESULT}")
    else:
        print(text)


if __name__ == "__main__":
    main()
