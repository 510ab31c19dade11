"""Makes the generated parts of README and docs/ again and checks every relative link of the Markdown (`make docs`).

Parts, all of them unless some are named: `results` runs the demo and the benchmark and stores what they say in
docs/results/; `figures` writes that into the pages; `picture` is the dashboard, and needs Chromium; `links`.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import chromium
import figures

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = (sys.executable, "-m", "mtclar.cli.main")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SECONDS_INTO_THE_DEMO = 22.0  # of about 31 after its calibration


def results() -> None:
    """Runs the demo in real time, then the benchmark: some two minutes."""
    demo = [*PROGRAM, "demo", "--port", "0", "--no-live", "--summary-json", str(figures.DEMO)]
    bench = [*PROGRAM, "bench", "--backend", "onnxruntime", "--json", str(figures.BENCH)]
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


def dashboard_picture() -> None:
    """A screenshot of the dashboard in the middle of `mtclar-stream demo`."""
    from playwright.sync_api import sync_playwright

    if shutil.which(chromium.PATH) is None:
        print(f"no {chromium.PATH}: the picture of the dashboard is left as it is", file=sys.stderr)
        return
    with subprocess.Popen(
        [*PROGRAM, "demo", "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as demo:
        try:
            assert demo.stdout is not None
            url = next(
                found[0] for line in demo.stdout if (found := re.findall(r"http://[\d.]+:\d+/?", line))
            )
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
                page = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1)
                page.goto(url)
                page.wait_for_timeout(1e3 * SECONDS_INTO_THE_DEMO)
                page.screenshot(path=str(ROOT / "docs" / "dashboard.png"))
                browser.close()
        finally:
            demo.terminate()


def check_links() -> None:
    """Ends with the list of those that lead nowhere."""
    if broken := broken_links():
        sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
    print("every link of the documentation leads somewhere")


PARTS = {"results": results, "figures": write_figures, "picture": dashboard_picture, "links": check_links}


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
