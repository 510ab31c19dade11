"""Makes the example faces of the calibration page: `python -m tools.docs.example_faces`.

One rendered face for each region of the affect grid, as WebP beside the page. The person is one of the demo split and
shows mixtures of the rendered expressions; no real person is shown. Needs the extra `train`.
"""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.evaluation.coverage import REGIONS
from mtclar.calibrate.core.prompts import Prompt
from mtclar.engine.files.writing import write_whole
from mtclar.train.rendered.demo import SPAN, demo_light, demo_person
from mtclar.train.rendered.drawing.renderer import Renderer, View
from mtclar.train.rendered.person.expressions import Mixture, mixed
from mtclar.train.rendered.person.head import load_head
from tools.arguments import parser_of

FOLDER = Path(__file__).parents[2] / "calibrate" / "web" / "page" / "faces"
SIDE = 192  # pixels: shown at 96, sharp on dense screens
QUALITY = 78  # of WebP
CUT = 0.12, 0.80, 0.16, 0.84  # top, bottom, left and right of the rendered picture that are kept

MIXTURES: Mapping[str, Mixture] = {
    "neutral": {},
    "pleasant": {"happy": 0.4, "content": 0.5},
    "pleasant, activated": {"happy": 1.1, "surprised": 0.25},
    "activated": {"surprised": 0.75},
    "unpleasant, activated": {"angry": 1.1},
    "unpleasant": {"disgusted": 0.65, "sad": 0.2},
    "unpleasant, deactivated": {"sad": 0.95, "tired": 0.2},
    "deactivated": {"tired": 0.8},
    "pleasant, deactivated": {"content": 1.0, "tired": 0.1},
}
"""Title of a region -> the expressions that are shown there."""


def file_name(title: str) -> str:
    """The picture of a region; the page makes the same name of its title."""
    return f"{title.replace(', ', '-')}.webp"


def render(renderer: Renderer, region: Prompt) -> NDArray[np.uint8]:
    """The face [SIDE, SIDE, 3] of a region."""
    weights = demo_person().shows(mixed(MIXTURES[region.title])[0], load_head())
    background = np.full((8, 8, 3), (0.30, 0.33, 0.36), np.float32)
    picture = renderer.render(weights, View(span=SPAN), demo_light(), background)
    height, width = picture.shape[:2]
    top, bottom, left, right = CUT
    part = picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    """Writes every picture."""
    parser_of(__doc__).parse_args()
    renderer = demo_person().renderer((480, 480), supersample=2)
    total = 0
    for region in REGIONS:
        picture = render(renderer, region)
        data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()
        path = FOLDER / file_name(region.title)
        write_whole(path, data, private=False)
        total += len(data)
        print(f"{path.name}: {len(data) / 1e3:.1f} kB")
    print(f"together {total / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
