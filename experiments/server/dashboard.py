"""Cost of the dashboard in a browser: kilobytes, and main-thread milliseconds a frame from Chromium's own trace.

The real page on the real server, thirty messages a second of scripted people, with all the history that is in view. A
frame's time is everything that the page's main thread did for it: receiving, drawing, layout, painting, collecting
garbage. "processor" is the time that the thread ran; "wall" has its waits for a busy machine's processor too.
"""

import bisect
import json
from collections import defaultdict
from importlib import resources
from typing import Any

import numpy as np
from playwright.sync_api import Browser

from tests.support.browser.chromium import launched
from tools.arguments import parser_of
from tools.docs.dashboard_scenes import SCENES, Player, playing

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
SENT = (".html", ".css", ".js", ".svg")
HISTORY_S, LONG_HISTORY_S = 31.0, 301.0
SETTLE_S = 3.0
SECONDS = 12.0


def kilobytes() -> float:
    """All files of the page as they are sent, with the words of one language; kB of 1,000 bytes."""
    names = ("dashboard", "dashboard.charts", "dashboard.panels", "shared", "client")
    folders = [resources.files(f"mtclar.stream.web.{name}") for name in names]
    files = [file for folder in folders for file in folder.iterdir() if file.name.endswith(SENT)]
    files.append(resources.files("mtclar.stream.web.shared.texts") / "en.json")
    return sum(len(file.read_bytes()) for file in files if file.is_file()) / 1e3


def frame_times_ms(trace: bytes) -> dict[str, np.ndarray]:
    """For each drawn frame, main-thread time since the one before: {"wall": [F], "processor": [F]} in ms."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    by_thread = defaultdict(list)
    for event in events:
        if (event["pid"], event["tid"]) in mains:
            by_thread[event["pid"], event["tid"]].append(event)
    page = max(
        by_thread.values(), key=lambda some: sum(event["name"] == "FireAnimationFrame" for event in some)
    )
    drawn = sorted(event["ts"] for event in page if event["name"] == "FireAnimationFrame")
    sums = {"wall": np.zeros(len(drawn) + 1), "processor": np.zeros(len(drawn) + 1)}
    for event in page:
        if event["name"] == "RunTask" and event["ph"] == "X":
            # A task belongs to the frame it works for: the one that is drawn in it, or the next.
            at = bisect.bisect_right(drawn, event["ts"])
            sums["wall"][at] += event["dur"] / 1e3
            sums["processor"][at] += event.get("tdur", event["dur"]) / 1e3
    return {name: times[1:-1] for name, times in sums.items()}  # whole frames only


def measure(
    browser: Browser, scene: str, size: tuple[int, int], ratio: float, span: int
) -> dict[str, np.ndarray]:
    """Frame times of one scene; `span` is how many times to zoom out first."""
    player = Player(SCENES[scene])
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, device_scale_factor=ratio)
    with player.server:
        page = context.new_page()
        page.goto(player.server.url)
        page.wait_for_selector("[data-connection=live]")
        page.wait_for_timeout(500)
        player.rush(HISTORY_S if not span else LONG_HISTORY_S)
        for _ in range(span):
            page.click("#zoom-out")
        with playing(player):
            page.wait_for_timeout(1e3 * SETTLE_S)
            browser.start_tracing(page=page, categories=CATEGORIES)
            page.wait_for_timeout(1e3 * SECONDS)
            trace = browser.stop_tracing()
    context.close()
    return frame_times_ms(trace)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--scene", choices=SCENES, action="append", help="by default all of them")
    parser.add_argument("--ratio", type=float, default=1.0, help="device pixels for a CSS pixel")
    parser.add_argument(
        "--zoom-out", type=int, default=0, metavar="STEPS", help="1: a minute in view, 3: five"
    )
    options = parser.parse_args()
    print(f"size: {kilobytes():.1f} kB")
    with launched() as browser:
        print(
            f"Chromium {browser.version}, no GPU; main thread, ms a frame: p50 / p95 / mean (frames a second)"
        )
        for scene in options.scene or SCENES:
            times = measure(browser, scene, (1280, 800), options.ratio, options.zoom_out)
            for name, ms in times.items():
                p50, p95 = np.percentile(ms, (50, 95))
                print(
                    f"{scene:12} {name:10} {p50:5.2f} / {p95:5.2f} / {ms.mean():5.2f}  ({len(ms) / SECONDS:.1f})"
                )


if __name__ == "__main__":
    main()
