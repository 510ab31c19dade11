"""Which regions of the affect plane have a label, which one to ask for next, and when there are enough labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mtclar.calibrate.core.prompts import Prompt, affect_grid

Label = tuple[float, float]  # valence, arousal

REGIONS: tuple[Prompt, ...] = affect_grid()
"""The nine points of the affect grid; the region of a label is that of the nearest one."""

ORDER = (0, 1, 3, 6, 5, 2, 8, 7, 4)
"""In which regions are asked for: the rest first, then far from what was asked before."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When there are enough labels."""

    regions: int  # with a label, at least; of the nine
    over: int  # the latest so many labels ...
    change: float  # ... have changed the estimates of the person's other faces by less than this

    def met(self, regions: int, change: float) -> bool:
        """Whether it holds; `change`: label_convergence over the latest labels, infinite when there are fewer."""
        return regions >= self.regions and change < self.change


RULE = Rule(regions=4, over=6, change=0.07)
"""Chosen on rendered people and photos for tuning, by experiments/calibration: the fewest labels by which four of
five simulated calibrations end within 10 % of the error that they reach with
MOST_LABELS (docs/results/calibration.md)."""

MOST_LABELS = 20  # more were not measured: enough, unless they contradict one another

LARGE_ERROR = 0.4
"""Leave-one-out RMSE above which the labels contradict one another or the pictures; more would not help."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether there are enough labels, and why, in a sentence."""

    enough: bool
    why: str


def region_of(valence: float, arousal: float) -> Prompt:
    """The region that a label lies in."""
    return min(REGIONS, key=lambda p: (p.valence - valence) ** 2 + (p.arousal - arousal) ** 2)


def covered(labels: Sequence[Label]) -> set[str]:
    """The titles of the regions with at least one label."""
    return {region_of(*label).title for label in labels}


def next_region(labels: Sequence[Label], passed: Sequence[str] = ()) -> Prompt:
    """The region to ask for: of those with the fewest labels the first in ORDER.

    `passed`: titles of regions that were asked for and not met, as often as that happened; each puts the region back
    as a label would, though it still comes before those with a label.
    """
    have = Counter(region_of(*label).title for label in labels)
    missed = Counter(passed)
    return min(
        (REGIONS[i] for i in ORDER), key=lambda of: (have[of.title] + missed[of.title], have[of.title])
    )


def judge(labels: Sequence[Label], error: float | None, change: float | None, rule: Rule = RULE) -> Verdict:
    """Enough labels: in enough regions, not at odds with one another, and the latest have changed little.

    `error`: the leave-one-out RMSE; `change`: label_convergence over the latest `rule.over` labels. None where there
    are too few labels for one.
    """
    regions, count = len(covered(labels)), len(labels)
    if count < MOST_LABELS:
        if change is None:
            return Verdict(False, f"at least {rule.over} labels, and there are {count}")
        if regions < rule.regions:
            return Verdict(False, f"{regions} of {rule.regions} regions of the grid have a label")
    if error is not None and error > LARGE_ERROR:
        return Verdict(
            False, f"the labels do not fit together (error {error:.2f}): redo or move those that are far off"
        )
    if change is not None and rule.met(regions, change):
        return Verdict(
            True, f"the last {rule.over} labels have hardly changed the estimates (by {change:.2f})"
        )
    if count >= MOST_LABELS:
        return Verdict(True, f"there are {count} labels")
    return Verdict(False, f"the last {rule.over} labels still changed the estimates (by {change:.2f})")
