"""Comparison of the two face finders: found rates, landmarks, blendshapes and processor time, on the same pictures.

    build/mediapipe/bin/python -m experiments.tracking.face_finders [--photos ZIP [--every N]] [--clip FILE]

(`make setup-mediapipe` makes that environment.) The tables of docs/explanation/faces.md come from it.
"""

import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from mtclar.engine import Frame, Tracker
from mtclar.engine.data_types import BLENDSHAPES, FaceCrop
from mtclar.stream import demo_clip
from tools.arguments import parser_of

TASK = Path("build/mediapipe/face_landmarker.task")
OUTER_CORNERS = (33, 263)  # of the eyes
USED = 0.01  # sd of a coefficient from which its correlation means something


def photos(path: Path, every: int) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        for name in names[::every]:
            data = np.frombuffer(archive.read(name), np.uint8)
            yield np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def clip(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            yield np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def compare(images: Iterator[np.ndarray], still: bool, report: Callable[[str], None]) -> None:
    """Each picture through both finders in turn, so that other load meets both."""
    found: list[list[FaceCrop | None]] = [[], []]
    spent_ms: list[list[float]] = [[], []]
    with (
        Tracker.open(max_faces=1, blendshapes=True) as bundled,
        Tracker.open(max_faces=1, blendshapes=True, face_landmarker=TASK) as mediapipe,
    ):
        for seq, image in enumerate(images):
            t_s = 0.0 if still else seq / 25
            for i, tracker in enumerate((bundled, mediapipe)):
                if still:
                    tracker.reset()
                start_s = time.process_time()
                crops = tracker.find(Frame(image, seq, t_s, "file", t_s, "s")).crops
                spent_ms[i].append(1000 * (time.process_time() - start_s))
                found[i].append(crops[0] if crops else None)
    ours, theirs = found
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    report(f"pictures {len(ours)}; found: bundled {_share(ours)}, MediaPipe {_share(theirs)}")
    points = np.array([(a.landmarks[:, :2], b.landmarks[:, :2]) for a, b in both])
    right, left = (points[:, 1, corner] for corner in OUTER_CORNERS)
    eyes = np.linalg.norm(left - right, axis=-1)[:, None]
    apart = np.linalg.norm(points[:, 0] - points[:, 1], axis=-1) / eyes
    quantiles = ", ".join(f"{v:.3f}" for v in np.quantile(apart, (0.5, 0.95)))
    report(f"landmarks apart, of the eye distance: mean {apart.mean():.3f}; median, 95 %: {quantiles}")
    one, other = (np.array([pair[i].blendshapes for pair in both]) for i in (0, 1))
    used = [j for j in range(1, 52) if other[:, j].std() > USED]
    r = {BLENDSHAPES[j]: float(np.corrcoef(one[:, j], other[:, j])[0, 1]) for j in used}
    still_gaze = [value for name, value in r.items() if not name.startswith("eyeLook")]
    report(f"blendshapes, r: median {np.median(still_gaze):.2f} without gaze ({len(still_gaze)})")
    report("  " + ", ".join(f"{name} {value:.2f}" for name, value in r.items()))
    if still:
        return  # MediaPipe starts again for each photo: its time says nothing
    for name, times in zip(("bundled", "MediaPipe"), spent_ms, strict=True):
        report(f"{name}: processor time of a picture, median {np.median(times):.2f} ms")
    ratio = np.array(spent_ms[1]) / np.array(spent_ms[0])
    report(f"MediaPipe over bundled: {np.median(ratio):.2f}")


def _share(found: list[FaceCrop | None]) -> str:
    return f"{100 * sum(face is not None for face in found) / len(found):.2f} %"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path, help="a zip of .jpg files, one face each")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth photo")
    parser.add_argument("--clip", type=Path, default=demo_clip.clip_path())
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.photos is not None:
        print(args.photos.name)
        compare(photos(args.photos, args.every), still=True, report=print)
    print(args.clip.name)
    compare(clip(args.clip), still=False, report=print)


if __name__ == "__main__":
    main()
