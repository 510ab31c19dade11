"""The error on degraded pictures: tables and plot of docs/results/robustness.md, and the quality limits from them.

    python -m mtclar.train.rendered test_people.npz --people 1000:1024 --pictures 60
    python -m experiments.networks.robustness --ferplus FERPLUS --frames frames.npz [--write]

FER+ PrivateTest faces are degraded as crops. Rendered test people are degraded as whole frames, which then go through
the detector, the landmarks and the framing of the tracker; `--frames` keeps them (rendered once, a few minutes). Every
degraded face keeps the measured quantities (sharpness, brightness, side, yaw), and a quality limit lies where the
error over that quantity has grown by GROWTH. Jitter: a still face with sensor noise through the whole tracker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.networks.degradations import KINDS, Degrade, clipped
from experiments.networks.turned_frames import SIDE, YAWS, frames
from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import Encoded, Frame
from mtclar.engine.estimate import SMOOTHERS
from mtclar.engine.estimate.comparer import bundled_params
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import Z_90, ccc
from mtclar.engine.face.crop import box_of, brightness, cut, pose_deg, sharpness
from mtclar.engine.face.quality import CALIBRATION_LIMITS, RUN_LIMITS
from mtclar.engine.tracker import Tracker
from mtclar.train.data import ferplus
from mtclar.train.data.ferplus import CROWD_SHARES
from mtclar.train.rendered.clips import SENSOR_NOISE
from mtclar.train.rendered.drawing.renderer import View
from mtclar.train.rendered.face_crop import FaceCropper
from mtclar.train.rendered.person.expressions import mixed
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.pictures import sample_background, sample_light
from mtclar.train.rendered.splits import TEST
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "robustness.md"
PLOT = ROOT / "docs" / "results" / "plots" / "robustness.png"

GROWTH = {"run": 1.5, "calibration": 1.25}  # of the RMSE, at the quality limits
BATCH = 256
STILL_PEOPLE, STILL_S, FPS = 4, 10.0, 25
STILL_SIZE = (320, 240)
COLUMNS = (
    "CCC, V / A",
    "RMSE, V / A",
    "mean sd, V / A",
    "in 90 %, V / A",
    "shorter embedding",
    "sharpness",
    "brightness",
)


# --- estimates of degraded faces ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """n faces, degraded in one way: their encoding and their measured quality."""

    kind: str
    level: Any
    encoded: Encoded
    va: Array  # [n, 2]
    sharpness: Array  # [n]
    brightness: Array
    side: Array  # [n] larger side of the landmarks' box in pixels; nan for crops
    yaw: Array  # [n] degrees as the engine measures it; nan for crops
    asked: int  # faces that there were, found or not
    right: Array | None = None  # [m] of the majority subset: whether the expression is the crowd's

    def row(self, good: "Seen") -> list[str]:
        """The cells of this line; `good` are the same faces as they are."""
        if not len(self.va):
            return [self.kind, str(self.level), "0 %", *"-" * (len(COLUMNS))]
        error = self.encoded.absolute - self.va
        rmse = np.sqrt(np.mean(error**2, axis=0))
        scores = [float(ccc(self.encoded.absolute[:, i], self.va[:, i])) for i in (0, 1)]
        found = f"{100 * len(self.va) / self.asked:.0f} %"
        if self.right is not None:
            found = f"{self.right.mean():.3f}"
        sd = bundled_params().prior_sd(self.encoded)
        held = 100 * (np.abs(error) <= Z_90 * sd).mean(0)
        middle = [f"{np.median(value):.0f}" for value in (self.sharpness, self.brightness)]
        shown = [f"{a:.3f} / {b:.3f}" for a, b in (scores, rmse, sd.mean(0))]
        return [
            self.kind,
            str(self.level),
            found,
            *shown,
            f"{held[0]:.0f} / {held[1]:.0f}",
            f"{_share_shorter(self.encoded, good.encoded):.2f}",
            *middle,
        ]


def _share_shorter(encoded: Encoded, good: Encoded) -> float:
    """How often an embedding is shorter than one of a good picture: the AUC of its length as a sign of bad pictures."""
    lengths, usual = (np.linalg.norm(one.embedding, axis=1) for one in (encoded, good))
    below, up_to = (np.searchsorted(np.sort(usual), lengths, side) for side in ("left", "right"))
    return float(1 - (below + up_to).mean() / (2 * len(usual)))


def encoded_of(encoder: Encoder, crops: NDArray[np.uint8]) -> Encoded:
    return Encoded.concatenate(encoder(crops[i : i + BATCH]) for i in range(0, max(len(crops), 1), BATCH))


def photos(folder: Path, encoder: Encoder) -> list[Seen]:
    """FER+ PrivateTest, degraded as crops."""
    test = ferplus.load(folder).split("PrivateTest")
    size = test.images.shape[1]
    prior = np.log(CROWD_SHARES) if models.card("encoder").prior_free else 0.0

    def seen(kind: str, level: Any, degrade: Degrade | None) -> Seen:
        rng = np.random.default_rng(0)
        crops = test.images if degrade is None else np.stack([degrade(image, rng) for image in test.images])
        if encoder.size != size:
            crops = np.stack(
                [cv2.resize(c, (encoder.size,) * 2, interpolation=cv2.INTER_LINEAR) for c in crops]
            )
        nothing = np.full(len(crops), np.nan)
        encoded = encoded_of(encoder, crops)
        return Seen(
            kind,
            level,
            encoded,
            test.va,
            np.array([sharpness(crop) for crop in crops]),
            np.array([brightness(crop) for crop in crops]),
            nothing,
            nothing,
            len(crops),
            ((encoded.expression + prior).argmax(1) == test.label)[test.majority],
        )

    found = [seen("as it is", "", None)]
    for kind, (make, levels, _) in KINDS.items():
        found += [seen(kind, level, make(level, size)) for level in levels if level != size]
    return found


def people(path: Path, encoder: Encoder) -> list[Seen]:
    """Rendered test people, degraded as frames, found and cut by the engine."""
    data = frames(path)
    how = models.card("encoder").identity.framing
    with FaceCropper() as cropper:
        straight = data["yaw"] == 0
        clean = [cropper.points(image) for image in data["images"][straight]]
        boxes = [None if points is None else box_of(points) for points in clean]

        def seen(kind: str, level: Any, images: Sequence[NDArray[np.uint8]], va: Array) -> Seen:
            crops, kept, measured = [], [], []
            for image, label in zip(images, va, strict=True):
                points = cropper.points(_framed(image))
                if points is None:
                    continue
                crop = cut(_framed(image), points, how)
                x0, y0, x1, y1 = box_of(points)
                crops.append(crop)
                kept.append(label)
                measured.append(
                    (sharpness(crop), brightness(crop), max(x1 - x0, y1 - y0), abs(pose_deg(points)[0]))
                )
            sharp, bright, side, yaw = np.array(measured, np.float64).reshape(-1, 4).T
            encoded = encoded_of(encoder, np.array(crops, np.uint8).reshape(-1, how.size, how.size))
            return Seen(
                kind, level, encoded, np.array(kept).reshape(-1, 2), sharp, bright, side, yaw, len(images)
            )

        whole, labels = data["images"][straight], data["va"][straight]
        found = [seen("as it is", "", whole, labels)]
        for kind, (make, levels, _) in KINDS.items():
            for level in levels:
                rng = np.random.default_rng(0)
                if kind == "covered":
                    images = [
                        image if box is None else _in_box(image, box, make(level, 0.0), rng)
                        for image, box in zip(whole, boxes, strict=True)
                    ]
                else:
                    images = []
                    for image, box in zip(whole, boxes, strict=True):
                        side = SIDE * 0.6 if box is None else max(box[2] - box[0], box[3] - box[1])
                        images.append(make(level, side)(image, rng))
                found.append(seen(kind, level, images, labels))
        for yaw in YAWS[1:]:
            at = data["yaw"] == yaw
            found.append(seen("turned", yaw, data["images"][at], data["va"][at]))
    return found


def _framed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small picture in the corner of a larger frame, where the detector can still find it."""
    if image.shape[0] >= SIDE:
        return image
    frame = np.full((SIDE, SIDE, 3), 96, np.uint8)
    side = image.shape[0]
    first = (SIDE - side) // 2
    frame[first : first + side, first : first + side] = image
    return frame


def _in_box(
    image: NDArray[np.uint8], box: Sequence[float], degrade: Degrade, rng: np.random.Generator
) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = (max(0, round(edge)) for edge in box)
    out = image.copy()
    out[y0:y1, x0:x1] = degrade(image[y0:y1, x0:x1], rng)
    return out


# --- quality limits -----------------------------------------------------------------------------------------------


def limits_table(sets: Mapping[str, list[Seen]]) -> str:
    """Error over the quantity of each quality limit, and where it has grown by GROWTH."""
    quantities: dict[str, tuple[str, Sequence[str], Sequence[float], bool]] = {
        "min_sharpness": ("sharpness", ("blur", "small face"), (0, 10, 25, 40, 60, 100, 200, 400), True),
        "min_brightness": ("brightness", ("darkness",), (0, 4, 8, 12, 20, 30, 45, 70), True),
        "min_side_px": ("side", ("small face",), (0, 14, 18, 22, 28, 36, 50), True),
        "max_yaw_deg": ("yaw", ("turned",), (0, 8, 14, 20, 26, 32, 38, 50), False),
    }
    rows = []
    for limit_name, (name, kinds, edges, low_is_bad) in quantities.items():
        for where, seen in sets.items():
            chosen = [one for one in seen if one.kind in (*kinds, "as it is")]
            value = np.concatenate([getattr(one, name) for one in chosen])
            if np.isnan(value).all():
                continue
            error = np.concatenate([one.encoded.absolute - one.va for one in chosen])
            clean = np.sqrt(np.mean((seen[0].encoded.absolute - seen[0].va) ** 2))
            cells, growth = [], []
            for low, high in zip(edges, [*edges[1:], np.inf], strict=True):
                here = (value >= low) & (value < high)
                if here.sum() >= 40:
                    ratio = float(np.sqrt(np.mean(error[here] ** 2)) / clean)
                    growth.append((low, high, ratio))
                    cells.append(f"{low:g}-{high:g}: {ratio:.2f}")
            limits = []
            for use, quality_limits in (("run", RUN_LIMITS), ("calibration", CALIBRATION_LIMITS)):
                bad = [step for step in growth if step[2] > GROWTH[use]]
                if not bad:
                    limit = "none needed"
                else:
                    limit = f"{max(b[1] for b in bad):g}" if low_is_bad else f"{min(b[0] for b in bad):g}"
                limits.append(f"{limit} (is {getattr(quality_limits, limit_name):g})")
            rows.append([f"`{limit_name}`", where, "; ".join(cells), *limits])
    head = ["limit", "faces", "RMSE over that of good pictures, by what the limit measures"]
    return table([*head, f"x {GROWTH['run']:g}: run", f"x {GROWTH['calibration']:g}: calibration"], rows)


# --- jitter -------------------------------------------------------------------------------------------------------


def jitter_table() -> str:
    """sd over time of V and A of a still face whose pictures differ by sensor noise alone, mean over people."""
    rows = []
    for grain in (SENSOR_NOISE, 4.0):
        for smoother in ("none", *(name for name in SMOOTHERS if name == "one-euro")):
            spread = []
            for person_id in TEST[:STILL_PEOPLE]:
                rng = np.random.default_rng(person_id)
                person = Person.sample(person_id)
                renderer = person.renderer(STILL_SIZE)
                weights, _ = mixed({"happy": 0.6})
                background = np.asarray(cv2.resize(sample_background(rng), STILL_SIZE), np.float32)
                picture = renderer.render(
                    person.shows(weights), View(), sample_light(rng, person.look), background
                )
                values = []
                with Tracker.open(max_faces=1, smoother=smoother) as tracker:
                    for seq in range(round(STILL_S * FPS)):
                        image = clipped(picture + rng.normal(0, grain, picture.shape))
                        t_s = seq / FPS
                        for face in tracker(Frame(image, seq, t_s, "file", t_s, "still")):
                            if face.state == "ok":
                                values.append((face.valence, face.arousal))
                spread.append(np.std(np.array(values)[FPS:], axis=0))  # the first second settles
            sd = np.mean(spread, axis=0)
            rows.append([f"{grain:g}", smoother, f"{sd[0]:.4f} / {sd[1]:.4f}"])
    return table(["noise, grey levels", "smoother", "sd of valence / arousal"], rows)


def plot(sets: Mapping[str, list[Seen]], path: Path) -> None:
    """RMSE by level, a panel for each kind of degradation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [*KINDS, "turned"]
    figure, axes = pyplot.subplots(2, 4, figsize=(13, 6), sharey=True)
    for panel, kind in zip(axes.flat, kinds, strict=False):
        shown = {
            where: [one for one in seen if one.kind in ("as it is", kind)] for where, seen in sets.items()
        }
        levels = [
            one.level for one in max(shown.values(), key=len)
        ]  # the other kind of faces has some of them
        for where, colour in zip(sets, ("tab:blue", "tab:orange"), strict=True):
            seen = [one for one in shown[where] if len(one.va)]
            if len(seen) < 2:
                continue
            for i, (dimension, line) in enumerate((("valence", "-"), ("arousal", "--"))):
                panel.plot(
                    [levels.index(one.level) for one in seen],
                    [np.sqrt(np.mean((one.encoded.absolute[:, i] - one.va[:, i]) ** 2)) for one in seen],
                    line,
                    marker="o",
                    markersize=3,
                    color=colour,
                    label=f"{where}, {dimension}",
                )
        panel.set_xticks(range(len(levels)), ["good", *map(str, levels[1:])])
        panel.set_title(kind)
        panel.set_xlabel("degrees" if kind == "turned" else KINDS[kind][2])
        panel.grid(alpha=0.3)
    # Of all, and when all are drawn: they share the axis, and setting one end fixes the other.
    axes.flat[0].set_ylim(bottom=0)
    for panel in axes[:, 0]:
        panel.set_ylabel("RMSE, no support")
    axes.flat[-1].axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].legend(handles, labels, loc="center", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> None:
    """Prints or writes the tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True, help="where the rendered frames are kept")
    parser.add_argument(
        "--write",
        action="store_true",
        help="into docs/results/robustness.md and docs/results/plots/robustness.png",
    )
    options = parser.parse_args()
    with open_session(models.path("encoder")) as session:
        encoder = Encoder(session)
        sets = {
            "photos": photos(options.ferplus, encoder),
            "rendered": people(options.frames, encoder),
        }
    text = "\n\n".join(
        part.strip()
        for part in (
            f"Encoder `{models.card('encoder').sha256[:12]}`, no support set.",
            f"### FER+ PrivateTest ({sets['photos'][0].asked:,} crops; accuracy on the majority subset, "
            "the crowd's prior put back)",
            table(
                ["", "level", "accuracy", *COLUMNS], [one.row(sets["photos"][0]) for one in sets["photos"]]
            ),
            f"### Rendered test people ({sets['rendered'][0].asked} frames at each level)",
            table(
                ["", "level", "face found", *COLUMNS],
                [one.row(sets["rendered"][0]) for one in sets["rendered"]],
            ),
            "### Quality limits",
            limits_table(sets),
            f"### A still face for {STILL_S:g} s at {FPS} frames/s, {STILL_PEOPLE} people",
            jitter_table(),
        )
    )
    if options.write:
        replace_section(PAGE, "measured", text)
        plot(sets, PLOT)
        print(f"wrote {PAGE} and {PLOT}")
    else:
        print(text)


if __name__ == "__main__":
    main()
