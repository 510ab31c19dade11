"""Makes the generated parts of README and docs/ again and checks every relative link of the Markdown (`make docs`).

Parts, all of them unless some are named: `results` runs the demo and the benchmark and stores what they say in
docs/results/; `figures` writes that into the pages; `pictures` are of the dashboard and the rating pages, and need
Chromium; `links`.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.support import chromium
from tools import dashboard_scenes, figures, rating_scenes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = (sys.executable, "-m", "mtclar.cli.main")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
WIDE: "ViewportSize" = {"width": 1280, "height": 800}
PHONE: "ViewportSize" = {"width": 390, "height": 844}
GAP_PX = 12
RARE_COLOURS = 64  # of 256
SECONDS_INTO_THE_DEMO = 22.0  # of about 31 after its calibration


def results() -> None:
    """Runs the demo in real time, then the benchmark: some two minutes."""
    demo = [*PROGRAM, "demo", "--port", "0", "--no-live", "--summary-json", str(figures.DEMO)]
    bench = [*PROGRAM, "bench", "--backend", "onnxruntime:int8", "--json", str(figures.BENCH)]
    for command in (demo, bench):
        subprocess.run(command, cwd=ROOT, check=True)


def write_figures() -> None:
    """The stored results into every page that quotes them."""
    for page in figures.PAGES:
        page.write_text(figures.with_figures(page.read_text(encoding="utf-8")), encoding="utf-8")


def broken_links() -> list[str]:
    """Relative links of tracked Markdown files that lead nowhere, as 'file: link'."""
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


def pictures() -> None:
    """Screenshots of the dashboard, in the middle of `mtclar-stream demo` and of scripted people, and of rating."""
    from playwright.sync_api import sync_playwright

    if shutil.which(chromium.PATH) is None:
        print(f"no {chromium.PATH}: the pictures of the dashboard are left as they are", file=sys.stderr)
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        demo_picture(browser)
        scene_pictures(browser)
        for name, screenshots in rating_scenes.shots(browser, WIDE, PHONE).items():
            save_small(name, screenshots)
        browser.close()


def demo_picture(browser: "Browser") -> None:
    """README's picture."""
    with subprocess.Popen(
        [*PROGRAM, "demo", "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as demo:
        try:
            assert demo.stdout is not None
            url = next(
                found[0] for line in demo.stdout if (found := re.findall(r"http://[\d.]+:\d+/?", line))
            )
            page = browser.new_page(viewport=WIDE, device_scale_factor=1)
            page.goto(url)
            page.wait_for_timeout(1e3 * SECONDS_INTO_THE_DEMO)
            save_small("dashboard", [page.screenshot()])
        finally:
            demo.terminate()


def scene_pictures(browser: "Browser") -> None:
    """The pictures of docs/dashboard.md; every face and value of them is scripted."""
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
    """Side by side in docs/, at a third of the size: in the commonest colours (shades) and the rarest (lines)."""
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
    small.save(ROOT / "docs" / f"{name}.png", optimize=True)


def check_links() -> None:
    """Ends with the list of those that lead nowhere."""
    if broken := broken_links():
        sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
    print("every link of the documentation leads somewhere")


PARTS = {"results": results, "figures": write_figures, "pictures": pictures, "links": check_links}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {min(unknown)}; there are {', '.join(PARTS)}")
    for name, make in PARTS.items():
        if name in wanted:
            make()


if __name__ == "__main__":
    main()
