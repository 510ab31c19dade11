"""Which regions of the affect plane have a label, which one to ask for next, and when there are enough labels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mtclar.calibrate.prompts import Prompt, affect_grid
from mtclar.engine.enough import Enough

Label = tuple[float, float]  # valence, arousal

REGIONS: tuple[Prompt, ...] = affect_grid()
"""The nine points of the affect grid; the region of a label is that of the nearest one."""

ORDER = (0, 1, 3, 6, 5, 2, 8, 7, 4)
"""In which regions are asked for: the rest first, then far from what was asked before."""

# When there are enough labels. mtclar.engine.enough expects it from the faces that were shown here; whoever shows ever
# new ones would never come to an end by that alone, so an error that has stopped falling is an end as well.
MIN_REGIONS = 5  # of the nine
LARGE_ERROR = (
    0.4  # above it the labels contradict one another or the pictures, and more of the same would not help
)
FIRST_LABELS = 3  # with fewer, leaving one out says little
LAST_LABELS = 3  # over so many labels ...
LEAST_IMPROVEMENT = 0.02  # ... the leave-one-out RMSE must still have fallen by more than this


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


def next_region(labels: Sequence[Label], passed: Collection[str] = ()) -> Prompt | None:
    """The uncovered region to ask for; None when every one has a label.

    `passed`: titles of regions that were asked for and not met; they come again after the others.
    """
    have = covered(labels)
    missing = [REGIONS[i] for i in ORDER if REGIONS[i].title not in have]
    return min(missing, key=lambda region: region.title in passed, default=None)


def judge(labels: Sequence[Label], errors: Sequence[float], expected: Enough) -> Verdict:
    """Enough labels: in enough regions, not at odds with one another, and one more is expected to change little.

    `errors`: the leave-one-out RMSE after each label, in the order of their taking.
    """
    regions = len(covered(labels))
    if regions < MIN_REGIONS:
        return Verdict(False, f"{regions} of {MIN_REGIONS} regions of the grid have a label")
    if expected.missing:
        return Verdict(
            False, f"at least {expected.labels + expected.missing} labels, and there are {expected.labels}"
        )
    if errors and errors[-1] > LARGE_ERROR:
        return Verdict(
            False,
            f"the labels do not fit together (error {errors[-1]:.2f}): redo or move those that are far off",
        )
    gain = "" if expected.gain is None else f" ({100 * expected.gain:.0f} % of the error)"
    if expected.enough:
        return Verdict(True, f"one more label would change little{gain}")
    before, last = errors[FIRST_LABELS - 1 : -LAST_LABELS], errors[-LAST_LABELS:]
    if before and min(before) - min(last) <= LEAST_IMPROVEMENT:
        return Verdict(True, f"the last {LAST_LABELS} labels have hardly changed the error")
    return Verdict(False, f"one more label is expected to help{gain}")
