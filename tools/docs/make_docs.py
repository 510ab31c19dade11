"""Makes the generated parts of README and docs/ again and checks every relative link of the Markdown (`make docs`).

Parts, all of them unless some are named: `results` runs the demo and the benchmark and stores what they say in
docs/results/; `figures` writes that into the pages; `pictures` are of the pages in the browser, and need Chromium
(`--only rating` takes those alone); `links`.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtclar.stream import demo_clip
from tests.support.browser import chromium
from tools.arguments import parser_of
from tools.docs import camera_scenes, dashboard_scenes, figures, rating_scenes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "mtclar.cli.main")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
WIDE: "ViewportSize" = {"width": 1280, "height": 800}
PHONE: "ViewportSize" = {"width": 390, "height": 844}
GAP_PX = 12
RARE_COLOURS = 64  # of 256
SECONDS_INTO_THE_DEMO = 15.0  # of about 31 after its calibration
PLEASANT = 0.7  # valence
STEADY_S = 0.6  # for that long: texts follow values a little later


def results() -> None:
    """Runs the demo in real time, then the benchmark: some two minutes."""
    demo = [
        *PROGRAM,
        "demo",
        "--once",
        "--no-open",
        "--port",
        "0",
        "--no-live",
        "--summary-json",
        str(figures.DEMO),
    ]
    bench = [*PROGRAM, "bench", "--backend", "onnxruntime:int8", "--json", str(figures.BENCH)]
    for command in (demo, bench):
        subprocess.run(command, cwd=ROOT, check=True)


def write_figures() -> None:
    """The stored results into every page that quotes them."""
    figures.write_pages()


def broken_links() -> list[str]:
    """Relative links of tracked Markdown files whose target does not exist, as 'file: link'."""
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    broken = []
    for name in tracked.stdout.split():
        page = ROOT / name
        for link in LINK.findall(page.read_text()):
            if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
                broken.append(f"{name}: {link}")
    return broken


def pictures(wanted: Collection[str] = ()) -> None:
    """Screenshots of the dashboard, in the middle of `mtclar-stream demo` and of scripted people, and of rating.

    `wanted`: names of PICTURES; all if empty.
    """
    take = {name: one for name, one in PICTURES.items() if not wanted or name in wanted}
    if (plot := take.pop("tutorial", None)) is not None:
        plot(None)
    if not take:
        return
    if shutil.which(chromium.PATH) is None:
        print(f"no {chromium.PATH}: the pictures of the pages stay as they are", file=sys.stderr)
        return
    if (camera := take.pop("camera", None)) is not None:
        camera(None)
    if take:
        with chromium.launched() as browser:
            for one in take.values():
                one(browser)


def demo_picture(browser: "Browser") -> None:
    """The dashboard in the middle of the demo, alone and beside the frame of the clip that it shows (README)."""
    messages: list[str] = []
    with subprocess.Popen(
        [*PROGRAM, "demo", "--once", "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as demo:
        try:
            assert demo.stdout is not None
            url = next(
                found[0] for line in demo.stdout if (found := re.findall(r"http://[\d.]+:\d+/?", line))
            )
            page = browser.new_page(viewport=WIDE, device_scale_factor=1)
            page.on(
                "websocket",
                lambda socket: socket.on("framereceived", lambda text: messages.append(str(text))),
            )
            page.goto(url)
            page.wait_for_timeout(1e3 * SECONDS_INTO_THE_DEMO)
            while not all(map(is_pleasant, (affects := latest_affects(messages)))):
                page.wait_for_timeout(40)
            affect = affects[0]
            screenshot = page.screenshot()
            save_small("dashboard", [screenshot])
            save_with_camera("demo", screenshot, affect)
        finally:
            demo.terminate()


def rating_pictures(browser: "Browser") -> None:
    """The pictures of the rating pages (docs/live/calibrate.md)."""
    for name, screenshots in rating_scenes.shots(browser, WIDE, PHONE).items():
        save_small(name, screenshots)


def camera_pictures(_: object) -> None:
    """The camera page and the studio (docs/live), in a browser of their own: that one has a camera."""
    for name, screenshots in camera_scenes.shots(WIDE).items():
        save_small(name, screenshots)


def tutorial_plot(_: object = None) -> None:
    """The figure at the end of docs/tutorial.md, by its commands for the clip of the demo."""
    with tempfile.TemporaryDirectory() as folder:
        clip, labels, values = (
            str(demo_clip.clip_path()),
            str(demo_clip.calibration_path()),
            f"{folder}/values.csv",
        )
        for command in (
            ["label", clip, "--support", labels, "--out", values],
            ["plot", values, "--out", f"{folder}/values.png"],
        ):
            subprocess.run([*PROGRAM, *command], check=True)
        shutil.copyfile(f"{folder}/values.png", ROOT / "docs" / "images" / "tutorial-plot.png")


def latest_affects(messages: Sequence[str]) -> list[dict[str, Any]]:
    """The newest `affect` messages of STEADY_S, the newest one first."""
    newest = (message for text in reversed(messages) if (message := json.loads(text))["type"] == "affect")
    first = next(newest)
    return [first, *takewhile(lambda one: first["pts"] - one["pts"] < STEADY_S, newest)]


def is_pleasant(affect: dict[str, Any]) -> bool:
    """Whether the face smiles, which makes the better picture, and nothing makes its value less certain."""
    return any((face["valence"] or 0.0) > PLEASANT and not face.get("caveats") for face in affect["faces"])


def save_with_camera(name: str, screenshot: bytes, affect: dict[str, Any]) -> None:
    """The frame of the bundled clip behind an `affect` message, with its values, left of a screenshot of it."""
    import av
    from PIL import Image, ImageDraw, ImageFont

    with av.open(str(demo_clip.clip_path())) as clip:
        frame = next(
            f for f in clip.decode(video=0) if f.time is not None and f.time >= affect["pts"] - 0.001
        )
    camera, face = frame.to_image(), affect["faces"][0]
    dashboard = Image.open(io.BytesIO(screenshot)).convert("RGB")
    whole = Image.new("RGB", (camera.width + 2 * GAP_PX + dashboard.width, dashboard.height), "#f3f5fa")
    whole.paste(camera, (GAP_PX, (dashboard.height - camera.height) // 2))
    whole.paste(dashboard, (camera.width + 2 * GAP_PX, 0))
    text = f"valence {face['valence']:+.2f}   arousal {face['arousal']:+.2f}"
    place = (GAP_PX, (dashboard.height + camera.height) // 2 + GAP_PX)
    ImageDraw.Draw(whole).text(place, text, fill="#1f2937", font=ImageFont.load_default(30))
    whole.save(ROOT / "docs" / "images" / f"{name}.jpg", quality=88, optimize=True)


def scene_pictures(browser: "Browser") -> None:
    """The pictures of docs/live/dashboard.md; every face and value of them is scripted."""
    phones = []
    for name, scene in dashboard_scenes.SCENES.items():
        player = dashboard_scenes.Player(scene, start_s=40.0)
        with player.server:
            page = browser.new_page(viewport=WIDE, device_scale_factor=1)
            page.goto(player.server.url)
            page.wait_for_selector("[data-connection=live]")
            page.wait_for_timeout(500)
            player.rush(29.0)
            with dashboard_scenes.playing(player):
                page.wait_for_timeout(2500)
                dark: Literal["dark", "light"] = "dark" if name == "four-faces" else "light"
                page.emulate_media(color_scheme=dark)
                page.wait_for_timeout(300)
                if name != "one-face":  # the demo's picture shows one
                    save_small(f"dashboard-{name}", [page.screenshot()])
                page.set_viewport_size(PHONE)
                page.wait_for_timeout(300)
                phones.append(page.screenshot())
            page.close()
    save_small("dashboard-phone", phones)


def save_small(name: str, screenshots: Sequence[bytes]) -> None:
    """Side by side in docs/images, at a third of the size: in the commonest colours (shades) and the rarest (lines)."""
    from PIL import Image

    images = [Image.open(io.BytesIO(screenshot)).convert("RGB") for screenshot in screenshots]
    width = sum(image.width for image in images) + GAP_PX * (len(images) - 1)
    whole = Image.new("RGB", (width, images[0].height), "#808080")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + GAP_PX
    palette = Image.new("P", (1, 1))
    common = whole.quantize(256 - RARE_COLOURS, Image.Quantize.MEDIANCUT).getpalette() or []
    rare = whole.quantize(RARE_COLOURS, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette.putpalette(common[: 3 * (256 - RARE_COLOURS)] + rare[: 3 * RARE_COLOURS])
    small = whole.quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(ROOT / "docs" / "images" / f"{name}.png", optimize=True)


def check_links() -> None:
    """Exits with the list of links whose target does not exist."""
    if broken := broken_links():
        sys.exit("links without a target:\n  " + "\n  ".join(broken))
    print("every relative link of the documentation has a target")


PICTURES: dict[str, Callable[[Any], None]] = {
    "tutorial": tutorial_plot,
    "demo": demo_picture,
    "dashboard": scene_pictures,
    "rating": rating_pictures,
    "camera": camera_pictures,
}
PARTS: dict[str, Callable[[], None]] = {
    "results": results,
    "figures": write_figures,
    "pictures": pictures,
    "links": check_links,
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--only", choices=PICTURES, nargs="+", default=[], help="the pictures to take")
    options = parser.parse_args()
    wanted = options.parts or (["pictures"] if options.only else list(PARTS))
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {min(unknown)}; there are {', '.join(PARTS)}")
    for name, make in PARTS.items():
        if name == "pictures" and name in wanted:
            pictures(options.only)
        elif name in wanted:
            make()


if __name__ == "__main__":
    main()
