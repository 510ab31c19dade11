"""Share of correct face numbers after two rendered people pass one another: docs/results/identity.md.

    python -m experiments.tracking.identity [--people 1000:1012] [--write]

Pictures of two people at rest are pasted into one scene: one walks behind the other, so that their face is hidden for a
given time, and comes out on the other side, or turns round behind them and comes out where they went in. Pairs are
those of the people who look most alike from afar, and of others drawn at random; what they look like is
mtclar.engine.face.appearance' own measure, so the similar pairs are the hard ones for it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Faces, Frame
from mtclar.engine.face.appearance import appearance_at, appearance_distance
from mtclar.engine.face.track_registry import HOLD_S
from mtclar.engine.tracker import Tracker
from mtclar.train.rendered.__main__ import people as people_range
from mtclar.train.rendered.drawing.renderer import Light, View
from mtclar.train.rendered.person.people import Person
from tools.arguments import parser_of
from tools.docs.figures import RESULTS, table
from tools.docs.generated import replace_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "identity.md"
RESULT = RESULTS / "data" / "identity.json"
FPS = 15
WIDTH, HEIGHT = 640, 360
CUT_OUT = (200, 240)  # width, height of a person
SPAN = 5.0  # decimetres that a cut-out is high
FACE_Y = 0.5  # of the face's middle in a cut-out
HIDDEN_PX = 76  # a face whose middle is nearer than this to that of a face in front of it is not found
FRONT_X, START_X, END_X = 330, 110, 550
HIDDEN_S = (0.2, 0.4, 0.7, 1.0)
WAYS = ("through", "back")
PAIRS = 3  # of each kind
AROUND_S = 1.2  # before somebody is hidden and after


@dataclass(frozen=True)
class Walk:
    """Where the one behind is: to the place behind the other, hidden for so long, and on or back."""

    hidden_s: float
    way: str

    @property
    def speed(self) -> float:
        """Pixels a second while hidden on the way through."""
        return 2 * HIDDEN_PX / self.hidden_s

    @property
    def seconds(self) -> float:
        return 2 * AROUND_S + self.hidden_s

    def x(self, t_s: float) -> float:
        """Of the face's middle; outside of the hidden time they walk no faster than 300 pixels a second."""
        aside = min(self.speed, 300.0)
        t_s -= AROUND_S + self.hidden_s / 2
        outside = max(abs(t_s) - self.hidden_s / 2, 0.0) * aside
        inside = HIDDEN_PX * min(2 * abs(t_s) / self.hidden_s, 1.0)
        side = -1.0 if t_s < 0 or self.way == "back" else 1.0
        return float(np.clip(FRONT_X + side * (inside + outside), START_X, END_X))


def cut_out(person_id: int) -> NDArray[np.float32]:
    """[H, W, 4] BGR and opacity, from the person before black and before white."""
    person = Person.sample(person_id)
    renderer = person.renderer(CUT_OUT)
    dark, light = (
        renderer.render(
            person.shows({}), View(span=SPAN), Light(), np.full((2, 2, 3), level, np.float32)
        ).astype(np.float32)
        for level in (0.0, 1.0)
    )
    opacity = 1.0 - np.clip((light - dark).mean(2, keepdims=True) / 255.0, 0, 1)
    return np.concatenate([dark / np.maximum(opacity, 1e-3), opacity], 2).clip(0, 255)


def paste(image: NDArray[np.float32], person: NDArray[np.float32], x: float) -> None:
    """A person whose face's middle is at `x`; parts may lie outside."""
    height, width = person.shape[:2]
    left, top = round(x - width / 2), HEIGHT - height
    from_x, to_x = max(left, 0), min(left + width, WIDTH)
    if from_x < to_x:
        part = person[:, from_x - left : to_x - left]
        below = image[top:, from_x:to_x]
        below += part[..., 3:] * (part[..., :3] - below)


def scene(behind: NDArray[np.float32], front: NDArray[np.float32], walk: Walk, seed: int) -> Iterator[Frame]:
    """Frames of both, with a camera's noise."""
    rng = np.random.default_rng(seed)
    for seq in range(round(walk.seconds * FPS)):
        t_s = seq / FPS
        image = np.full((HEIGHT, WIDTH, 3), (150, 160, 170), np.float32)
        paste(image, behind, walk.x(t_s))
        paste(image, front, FRONT_X)
        image += rng.normal(0, 1.2, image.shape)
        yield Frame(np.clip(image, 0, 255).astype(np.uint8), seq, t_s, "file", t_s, "scene")


def number_at(faces: Faces, x: float) -> int | None:
    """The number of the face there."""
    near = {abs((crop.box[0] + crop.box[2]) / 2 - x): crop.track_id for crop in faces.crops}
    return near[min(near)] if near and min(near) < HIDDEN_PX / 2 else None


@dataclass(frozen=True)
class Outcome:
    """What became of the numbers."""

    kind: str  # right, new number, exchanged, not found
    hidden_s: float  # in which the tracker saw one face alone


def followed(
    tracker: Tracker, behind: NDArray[np.float32], front: NDArray[np.float32], walk: Walk
) -> Outcome:
    """One scene from its beginning to its end."""
    tracker.reset()
    numbers, alone = [], 0
    for frame in scene(behind, front, walk, seed=1):
        faces = tracker.find(frame)
        alone += len(faces.crops) < 2
        numbers.append((number_at(faces, walk.x(frame.pts_s)), number_at(faces, FRONT_X)))
    before, after = numbers[round(0.5 * FPS)], numbers[-1]
    if None in before or None in after:
        kind = "not found"
    elif before == after:
        kind = "right"
    elif after[0] == before[1] or after[1] == before[0]:
        kind = "exchanged"
    else:
        kind = "new number"
    return Outcome(kind, alone / FPS)


def pairs_of(cut_outs: Sequence[NDArray[np.float32]]) -> dict[str, list[tuple[int, int]]]:
    """The pairs who look most alike, everybody in one at most, and as many drawn at random."""
    seen = []
    for person in cut_outs:
        image = np.full((HEIGHT, WIDTH, 3), (150, 160, 170), np.float32)
        paste(image, person, FRONT_X)
        middle = HEIGHT - CUT_OUT[1] * (1 - FACE_Y)
        box = (FRONT_X - 45.0, middle - 55.0, FRONT_X + 45.0, middle + 55.0)
        seen.append(appearance_at(np.asarray(image, np.uint8), box))
    every = sorted(
        combinations(range(len(seen)), 2),
        key=lambda p: appearance_distance(seen[p[0]], seen[p[1]]),
    )
    alike: list[tuple[int, int]] = []
    for pair in every:
        if len(alike) < PAIRS and not {*pair} & {who for other in alike for who in other}:
            alike.append(pair)
    others = [pair for pair in every if pair not in alike]
    drawn = np.random.default_rng(0).choice(len(others), PAIRS, replace=False)
    return {"alike": alike, "any": [others[i] for i in drawn]}


def measured(people: range) -> dict[tuple[str, str, float], list[Outcome]]:
    """Everything: kind of pair, way, time hidden -> what happened."""
    cut_outs = [cut_out(person_id) for person_id in people]
    outcomes: dict[tuple[str, str, float], list[Outcome]] = {}
    with Tracker.open() as tracker:
        for (kind, pairs), way, hidden_s in product(pairs_of(cut_outs).items(), WAYS, HIDDEN_S):
            outcomes[kind, way, hidden_s] = [
                followed(tracker, cut_outs[one], cut_outs[other], Walk(hidden_s, way)) for one, other in pairs
            ]
    return outcomes


def main() -> None:
    """Prints or writes the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--people", type=people_range, default=people_range("1000:1012"), metavar="A:B")
    parser.add_argument("--write", action="store_true", help=f"into docs/{PAGE.name} and {RESULT.name}")
    options = parser.parse_args()
    rows, stored = [], []
    for (kind, way, hidden_s), outcomes in measured(options.people).items():
        counts = Counter(outcome.kind for outcome in outcomes)
        alone_s = float(np.median([outcome.hidden_s for outcome in outcomes]))
        figures: dict[str, Any] = {
            "pairs": kind,
            "way": way,
            "hidden_s": hidden_s,
            "alone_s": alone_s,
            **counts,
        }
        stored.append(figures)
        rows.append(
            [
                kind,
                way,
                f"{hidden_s:.1f} s",
                f"{alone_s:.1f} s",
                f"{counts['right']} of {len(outcomes)}",
                *(str(counts[name] or "-") for name in ("new number", "exchanged", "not found")),
            ]
        )
    head = ["pairs", "way", "hidden", "one face seen for", "right", "new number", "exchanged", "not found"]
    text = f"{PAIRS} pairs each, {FPS} frames/s; a face is held for {HOLD_S:.0f} s.\n\n" + table(head, rows)
    if options.write:
        replace_section(PAGE, "measured", text)
        RESULT.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {PAGE} and {RESULT}")
    else:
        print(text)


if __name__ == "__main__":
    main()
