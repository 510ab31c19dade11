"""Makes the generated parts of docs/ again and checks every relative link of the Markdown (`make docs`).

`--links` only checks the links. The picture of the dashboard needs Chromium; without it the page is left as it is.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_INTO_THE_DEMO = 22.0  # of about 31 after its calibration


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


def dashboard_picture(out: Path, width: int = 1280, height: int = 800) -> None:
    """A screenshot of the dashboard in the middle of `mtclar-stream demo`."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: the picture of the dashboard is left as it is", file=sys.stderr)
        return
    command = [sys.executable, "-m", "mtclar.cli.main", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as demo:
        try:
            assert demo.stdout is not None
            url = next(
                found[0] for line in demo.stdout if (found := re.findall(r"http://[\d.]+:\d+/?", line))
            )
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
                page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
                page.goto(url)
                page.wait_for_timeout(1e3 * SECONDS_INTO_THE_DEMO)
                page.screenshot(path=str(out))
                browser.close()
        finally:
            demo.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", action="store_true", help="only check the links")
    if not parser.parse_args().links:
        dashboard_picture(ROOT / "docs" / "dashboard.png")
    if broken := broken_links():
        sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
    print("every link of the documentation leads somewhere")


if __name__ == "__main__":
    main()
