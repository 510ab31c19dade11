"""Regions of the affect plane with a label, the region to label next, and the stopping rule."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mtclar.calibrate.core.prompts import Prompt, affect_grid
from mtclar.calibrate.core.sentence import Sentence

AffectPoint = tuple[float, float]
"""Valence and arousal."""

REGIONS: tuple[Prompt, ...] = affect_grid()
"""The nine points of the affect grid; a label belongs to the region of the nearest point."""

ORDER = (0, 1, 3, 6, 5, 2, 8, 7, 4)
"""Order in which regions are prompted: neutral first, then each far from the previous ones."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """When there are enough labels."""

    min_regions: int  # of the nine, with a label
    window: int  # the latest so many labels ...
    max_change: float  # ... changed the estimates of the person's other faces by less than this

    def met(self, regions: int, change: float) -> bool:
        """`change`: label_convergence over the latest `window` labels, infinite when there are fewer."""
        return regions >= self.min_regions and change < self.max_change


STOPPING_RULE = StoppingRule(min_regions=4, window=6, max_change=0.07)
"""Chosen on rendered people and photos for tuning, by experiments/calibration: the fewest labels by which four of
five simulated calibrations end within 10 % of the error that they reach with
MOST_LABELS (docs/results/calibration.md)."""

MIN_FACES = 4
"""Different faces seen between the labels; the estimates of fewer settle at once. Of simulated calibrations that were
judged by fewer up to 12 % ended at the sixth label, of the others none (docs/results/calibration.md)."""

MOST_LABELS = 20  # more were not measured; enough, unless the labels contradict one another

LARGE_ERROR = 0.4
"""Leave-one-out RMSE above which labels contradict one another or the pictures; more labels would not help."""


@dataclass(frozen=True, slots=True)
class StoppingVerdict:
    """Whether there are enough labels, and why."""

    stop: bool
    why: Sentence


def nearest_region(valence: float, arousal: float) -> Prompt:
    """The region of a label."""
    return min(REGIONS, key=lambda p: (p.valence - valence) ** 2 + (p.arousal - arousal) ** 2)


def region_called(title: str) -> Prompt:
    """The region of a title; KeyError when there is none."""
    return {region.title: region for region in REGIONS}[title]


def covered_regions(labels: Sequence[AffectPoint]) -> set[str]:
    """The titles of the regions with at least one label."""
    return {nearest_region(*label).title for label in labels}


def next_region(labels: Sequence[AffectPoint], skipped: Sequence[str] = ()) -> Prompt:
    """The region to prompt for: the first in ORDER of those with the fewest labels.

    `skipped`: titles of prompted regions that got no label, once for each time. Each counts as a label, but among equal
    counts regions without a label come first.
    """
    labelled = Counter(nearest_region(*label).title for label in labels)
    passed = Counter(skipped)
    return min(
        (REGIONS[i] for i in ORDER),
        key=lambda region: (labelled[region.title] + passed[region.title], labelled[region.title]),
    )


def check_stopping(
    labels: Sequence[AffectPoint],
    error: float | None,
    change: float | None,
    faces: int,
    rule: StoppingRule = STOPPING_RULE,
) -> StoppingVerdict:
    """Stop with labels in enough regions that agree with one another, when the latest ones changed little.

    `error`: leave-one-out RMSE, None while there are too few labels; `change`: label_convergence over the latest
    `rule.window` labels, None also without faces; `faces`: how many different ones it was taken of.
    """
    regions, count = len(covered_regions(labels)), len(labels)
    if count < MOST_LABELS:
        if count < rule.window:
            values = {"n": count, "of": rule.window}
            return StoppingVerdict(
                False, Sentence("labels", f"{count} of at least {rule.window} labels", values)
            )
        if regions < rule.min_regions:
            text = f"{regions} of at least {rule.min_regions} regions of the grid labelled"
            return StoppingVerdict(False, Sentence("regions", text, {"n": regions, "of": rule.min_regions}))
    if error is not None and error > LARGE_ERROR:
        text = f"the labels contradict one another (error {error:.2f}): redo or move those with a large error"
        return StoppingVerdict(False, Sentence("contradict", text, {"error": f"{error:.2f}"}))
    if count < MOST_LABELS and (change is None or faces < MIN_FACES):
        text = f"{faces} of at least {MIN_FACES} different expressions seen between the labels"
        return StoppingVerdict(False, Sentence("faces", text, {"n": faces, "of": MIN_FACES}))
    changed: dict[str, str | int] = {"n": rule.window, "change": "" if change is None else f"{change:.2f}"}
    if change is not None and rule.met(regions, change):
        text = f"the last {rule.window} labels hardly changed the estimates (by {change:.2f})"
        return StoppingVerdict(True, Sentence("settled", text, changed))
    if count >= MOST_LABELS:
        return StoppingVerdict(True, Sentence("many", f"{count} labels", {"n": count}))
    text = f"the last {rule.window} labels still changed the estimates (by {change:.2f})"
    return StoppingVerdict(False, Sentence("changing", text, changed))
