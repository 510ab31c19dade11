"""Duration and accuracy of calibration in the browser: a scripted person at a real `calibrate page`.

    python -m experiments.calibration.page [--pictures docs]

The person is the bundled clip. They have no camera of their own: this program is the camera and holds, of the clip's
first half, the face whose script is nearest to what the page asks for; it labels it with the script's valence and
arousal. The validation step shows faces of the second half. Counted are the seconds from the first label to the rule's
`enough`, as the machine needs them; reading a prompt and making a face comes on top, and is put at READING_S a label.
The support set is then tried on the clip's second half.
With --pictures, Chromium looks on and takes the pictures of docs/live/calibrate.md.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.sync.client import ClientConnection, connect

from mtclar.calibrate.core.evaluation.coverage import MOST_LABELS
from mtclar.engine.estimate.metrics import ccc, rmse
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.server.uploads import write_header
from mtclar.stream.sources import open_source
from tests.support.browser.chromium import launched
from tools.arguments import parser_of

READING_S = 5.0
SHOWN_S = 0.3  # of it: until the camera shows the new face
WAIT_S = 60.0
FPS = 20.0
SIZES = {"wide": (1280, 800), "phone": (390, 844)}


class Person:
    """The clip as a face that can be asked for."""

    def __init__(self) -> None:
        script = read_labels(demo_clip.script_path())
        self.labels = np.array([(label.valence, label.arousal) for label in script])
        self.images = [frame.image for frame in open_source("demo").frames()]
        self.half = len(self.images) // 2
        self.at = 0

    def show(self, valence: float, arousal: float, *, fresh: bool = False) -> tuple[float, float]:
        """Makes the face of the first half (`fresh`: of the second) that is nearest to that; its own V/A."""
        of = slice(self.half, len(self.images)) if fresh else slice(self.half)
        off = ((self.labels[of] - (valence, arousal)) ** 2).sum(1)
        self.at = int(off.argmin()) + (self.half if fresh else 0)
        return tuple(float(x) for x in self.labels[self.at])  # type: ignore[return-value]

    def picture(self, n: int) -> bytes:
        """A JPEG of that face; it is not quite still."""
        at = min(max(self.at + (0, 1, 0, -1)[n % 4], 0), len(self.images) - 1)
        return bytes(cv2.imencode(".jpg", self.images[at], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def be_camera(url: str, person: Person, stopped: threading.Event) -> None:
    """Sends the person's pictures until stopped."""
    with connect(url, subprotocols=["mtclar.v1"], proxy=None, max_size=None) as server:  # type: ignore[list-item]
        server.send(json.dumps({"type": "subscribe", "streams": []}))
        server.send(json.dumps({"type": "camera"}))
        until(server, "camera_ready")
        n = 0
        while not stopped.is_set():
            server.send(write_header(0, n, time.monotonic()) + person.picture(n))
            until(server, "frame_taken")
            n += 1
            stopped.wait(1 / FPS)


def until(server: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind."""
    while True:
        data = server.recv(WAIT_S)
        if isinstance(data, str) and (message := json.loads(data))["type"] in (kind, "error", "bye"):
            if message["type"] != kind:
                raise SystemExit(f"the server says {message}")
            return dict(message)


def state_with(server: ClientConnection, labels: int) -> dict[str, Any]:
    while len((state := until(server, "calibrate.state"))["samples"]) < labels:
        pass
    return state


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A running `calibrate page --source browser`; the address of its pages."""
    command = [
        sys.executable,
        "-m",
        "mtclar.cli.main",
        "calibrate",
        "page",
        "--source",
        "browser",
        "--keep-crops",
    ]
    running = subprocess.Popen(
        [*command, "--port", "0", "--out", str(folder / "anna.mtclar")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        for line in running.stdout:
            if found := re.search(r"Open (http://\S+/)calibrate", line):
                yield found[1]
                break
    finally:
        running.terminate()
        running.communicate(timeout=WAIT_S)


def calibrate(
    server: ClientConnection, person: Person
) -> tuple[list[tuple[float, str, float | None]], dict[str, Any]]:
    """Follows the page until it says enough; after each label the seconds so far, the verdict and the error."""
    server.send(json.dumps({"type": "calibrate.join"}))
    state = state_with(server, 0)
    began_s, course = time.monotonic(), []
    for count in range(1, MOST_LABELS + 1):
        valence, arousal = person.show(state["ask"]["valence"], state["ask"]["arousal"])
        time.sleep(SHOWN_S)
        server.send(json.dumps({"type": "calibrate.take", "valence": valence, "arousal": arousal}))
        state = state_with(server, count)
        error = None if state["error"] is None else state["error"]["calibrated"]
        course.append((time.monotonic() - began_s, state["enough"]["why"], error))
        if state["enough"]["enough"]:
            break
    for number in state["to_check"]:
        sample = next(s for s in state["samples"] if s["number"] == number)
        person.show(sample["valence"], sample["arousal"], fresh=True)
        time.sleep(SHOWN_S)
        server.send(json.dumps({"type": "calibrate.check", "number": number}))
        while next(s for s in state["samples"] if s["number"] == number)["check"] is None:
            state = until(server, "calibrate.state")
    return course, state


def tried(support: SupportSet | None, person: Person) -> list[float]:
    """CCC and RMSE of valence and arousal on the clip's second half."""
    with Tracker.open([] if support is None else [support]) as tracker:
        estimates, truth = [], []
        for frame in open_source("demo").frames():
            affects = tracker(frame)
            if frame.seq >= person.half and affects and affects[0].valence is not None:
                estimates.append((affects[0].valence, affects[0].arousal))
                truth.append(person.labels[frame.seq])
    e, t = np.array(estimates, float), np.array(truth)
    return [float(f(e[:, axis], t[:, axis])) for f in (ccc, rmse) for axis in (0, 1)]


def take_pictures(url: str, folder: Path) -> None:
    """The page in both sizes and lights; it only looks on."""
    with launched() as browser:
        for name, (width, height) in SIZES.items():
            scheme: Any = "light" if name == "wide" else "dark"
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(f"{url}calibrate")
            page.locator("#advice[data-kind=ok]").wait_for(timeout=1000 * WAIT_S)
            page.wait_for_timeout(500)
            page.screenshot(path=str(folder / f"calibrate-{name}.png"))
            page.close()


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="take the pictures of docs/live/calibrate.md"
    )
    folder = parser.parse_args().pictures
    person = Person()
    with ExitStack() as stack:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(served(out))
        ws = f"{url.replace('http', 'ws')}ws"
        stopped = threading.Event()
        camera = threading.Thread(target=be_camera, args=(ws, person, stopped))
        camera.start()
        stack.callback(camera.join)
        stack.callback(stopped.set)
        server = stack.enter_context(connect(ws, proxy=None, max_size=None))
        server.send(json.dumps({"type": "subscribe", "streams": []}))
        course, state = calibrate(server, person)
        if folder is not None:
            server.send(json.dumps({"type": "calibrate.leave"}))
            take_pictures(url, folder)
        server.send(json.dumps({"type": "calibrate.join"}))
        server.send(json.dumps({"type": "calibrate.save"}))
        while until(server, "calibrate.state")["saved"] is None:
            pass
        stopped.set()
        support = SupportSet.load(out / "anna.mtclar")
    for count, (seconds, why, error) in enumerate(course, 1):
        print(
            f"{count} labels, {seconds:.1f} s: {why}; leave-one-out {'-' if error is None else f'{error:.3f}'}"
        )
    labels, seconds = len(course), course[-1][0]
    print(f"enough: {state['enough']['enough']}; on fresh pictures {state['check_error']:.3f}")
    whole_s = seconds + (READING_S - SHOWN_S) * labels
    print(f"machine {seconds:.1f} s; with {READING_S:g} s to read and act for each label {whole_s:.0f} s")
    for name, made in (("calibrated", support), ("absolute", None)):
        print(f"{name}: CCC V/A {{:.3f}}/{{:.3f}}, RMSE {{:.3f}}/{{:.3f}}".format(*tried(made, person)))


if __name__ == "__main__":
    main()
