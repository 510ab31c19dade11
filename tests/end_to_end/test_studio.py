"""The studio as a person uses it: from the first page to an exported session, with a camera that shows a face."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser.fake_camera import browser_with_camera, write_demo_face
from support.media.clip_beginning import CLIP_S, beginning
from support.peers.certificates import make_certificate

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")
pytest.importorskip("segno", reason="segno is not installed; `make setup` brings it")

from support.browser.tokens import OPERATOR, VIEWER, token_options
from support.browser.watched_page import DESKTOP, OpenPage, save

from mtclar.calibrate.core.demo_clip import demo_support
from mtclar.engine.support_set import SupportSet
from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.recordings.reader import Recording

PHONE = (390, 844)
PASSPHRASE = "a passphrase of anna"
TEXTS = "mtclar.stream.web.shared.texts"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser_with_camera(write_demo_face(tmp_path_factory.mktemp("camera"))) as running:
        yield running


@pytest.fixture
def studio(process: Callable[..., Any], tmp_path: Path) -> Callable[..., str]:
    """Starts the studio and returns its address."""

    def start(*arguments: str | Path) -> str:
        running = process("studio", "--no-open", "--port", "0", "--folder", tmp_path / "study", *arguments)
        return str(running.read_until("Studio ").split()[-1])

    return start


class Words:
    """The words of the pages in one language."""

    def __init__(self, language: str) -> None:
        self._table = json.loads((resources.files(TEXTS) / f"{language}.json").read_text())

    def __call__(self, key: str, **values: Any) -> str:
        entry = self._table[key]
        wording: str = entry["one" if values.get("n") == 1 else "other"] if isinstance(entry, dict) else entry
        return wording.format(**values)


def tables(page: Page, label: str, to: str) -> dict[str, bytes]:
    """The files of an exported session, as the browser downloads them."""
    with page.expect_download() as started:
        page.get_by_label(label, exact=True).select_option(to)
    with zipfile.ZipFile(started.value.path()) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("size", "language"),
    [(DESKTOP, "en"), (PHONE, "en"), (PHONE, "de")],
    ids=["desktop", "phone", "phone in German"],
)
def test_from_the_first_page_to_an_exported_session(
    studio: Callable[..., str], open_page: OpenPage, tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    url = studio()
    words = Words(language)
    page = open_page(url, size, locale=language)
    expect(page.locator("#now-words")).to_have_text(words("studio.nothing"))

    # Calibrate: a new name leads to the calibration page, which starts this browser's camera.
    page.get_by_label(words("studio.participant.new")).fill("anna")
    page.get_by_label(words("studio.participant.new")).press("Enter")
    page.locator("#camera-start").click()
    expect(page.locator("#advice")).to_have_text(words("calibrate.image.good"))
    for count in (1, 2, 3):
        page.locator("#take").click()
        expect(page.locator("#count")).to_have_text(str(count))
    save(page)
    expect(page.locator("#saved")).to_contain_text("anna.mtclar")
    assert SupportSet.load(tmp_path / "study" / "participants" / "anna.mtclar").subject == "anna"

    page.get_by_role("link", name=words("finished.start")).click()
    page.wait_for_url("**/live")

    # Home: the camera goes on, and the participant is listed and used.
    page.goto(url)
    expect(page.locator("#now-words")).to_have_text(
        words("studio.with", what=words("studio.this-camera"), who="anna")
    )
    expect(page.locator("#participant-list")).to_contain_text(re.compile("3 labels", re.IGNORECASE))
    expect(page.locator("#camera .camera-facts-line")).to_contain_text("640 × 480")

    # Watch and record, with two marks.
    page.locator("#watch").click()
    expect(page.locator(".face").first).to_contain_text("anna")
    page.locator("#record").click()
    page.locator("#record-session").fill("first")
    page.locator("#record-session").press("Enter")
    expect(page.locator("#recording-what")).to_have_text(words("record.running.named", session="first"))
    for label in ("film begins", "film ends"):
        page.locator("#mark-label").fill(label)
        page.locator("#mark-label").press("Enter")
    expect(page.locator("#recording-time")).to_have_text(
        re.compile("0:0[4-9]|0:[1-9].*")
    )  # to be seen when replayed
    page.locator("#record").click()
    expect(page.locator("#recording-what")).to_have_text("")

    # Home again, by the browser's own history: export, replay, delete after a question.
    page.go_back()
    row = page.locator("#session-list li")
    expect(row).to_contain_text("anna")
    files = tables(page, words("studio.export", name="first"), "csv")
    events = list(csv.DictReader(io.StringIO(files["events.csv"].decode())))
    assert [event["text"] for event in events if event["type"] == "mark"] == ["film begins", "film ends"]
    subjects = {value["subject"] for value in csv.DictReader(io.StringIO(files["values.csv"].decode()))}
    assert subjects == {"anna"}
    assert any(name.endswith(".eaf") for name in tables(page, words("studio.export", name="first"), "elan"))
    row.get_by_role("button", name=words("studio.replay")).click()
    expect(page.locator("#stream")).to_contain_text("recorded 20")
    expect(page.locator("#record")).to_be_hidden()  # it is a recording already
    expect(page.locator(".face").first).to_contain_text("anna")
    page.get_by_label(words("player.position"), exact=True).press(
        "End"
    )  # the player stays there until a person goes back
    player = page.locator("#player")
    expect(player.get_by_role("button", name=words("player.play"))).to_be_visible()
    player.get_by_role("button", name=words("player.back")).click()
    player.get_by_role("button", name=words("player.play")).click()
    expect(player.get_by_role("button", name=words("player.pause"))).to_be_visible()
    page.goto(url)
    row.get_by_role("link", name="first").click()
    assert page.url.startswith(f"{url}#sessions/")
    page.reload()
    expect(row).to_have_attribute("data-linked", "true")
    row.get_by_role("button", name=words("studio.delete")).click()
    page.locator("#ask").get_by_role("button", name=words("studio.keep")).click()
    assert Recording(tmp_path / "study" / "sessions").session == "first"
    row.get_by_role("button", name=words("studio.delete")).click()
    page.locator("#ask").get_by_role("button", name=words("studio.delete")).click()
    expect(page.locator("#session-list")).to_have_text(words("studio.sessions.none"))
    assert list((tmp_path / "study" / "sessions").iterdir()) == []


def test_the_demo_starts_with_one_press_and_stops(studio: Callable[..., str], open_page: OpenPage) -> None:
    page = open_page(studio())
    page.get_by_role("button", name="Play: Demo").click()
    expect(page.locator("#now-state")).to_have_text("tracking")
    page.locator("#watch").click()
    expect(page.locator(".face").first).to_contain_text("rendered")
    page.get_by_role("link", name="Home").click()
    page.locator("#end").click()
    expect(page.locator("#now-words")).to_contain_text("Nothing is tracked")


def test_a_file_is_analysed_and_downloaded(
    studio: Callable[..., str], open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # the first folder that the page shows
    beginning(demo_clip.clip_path(), tmp_path / "trial.mp4")
    page = open_page(studio())
    page.locator("#choose").click()
    page.get_by_role("button", name="trial.mp4").click()
    expect(page.locator("#chosen")).to_have_text("trial.mp4")
    page.reload()
    expect(page.locator("#chosen")).to_have_text("trial.mp4")
    page.locator("#file-analyse").click()
    expect(page.locator("#job-words")).to_contain_text("Analysing trial.mp4")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download: trial.csv").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        assert archive.namelist() == ["trial.csv", "trial.csv.json"]
        assert len(archive.read("trial.csv").splitlines()) == 1 + round(CLIP_S * 25)


def test_a_recording_is_rated_by_several_people_with_its_sound(
    studio: Callable[..., str], open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    beginning(demo_clip.clip_path(), tmp_path / "trial.mp4", tone=True)
    ratings = tmp_path / "study" / "ratings"
    url = studio()
    page = open_page(url)
    page.locator("#choose").click()
    page.get_by_role("button", name="trial.mp4").click()
    page.locator("#file-rater").fill("ben")
    page.locator("#file-label").click()
    for rater in ("ben", "cleo"):  # who rate the first of the proposed frames alike
        expect(page.locator("#subject")).to_have_text(f"trial, by {rater}")
        expect(page.locator("#count")).to_have_text("0")
        for count in (1, 2, 3):
            for _ in range(count):
                page.locator("#grid").press("ArrowRight")
            page.locator("#grid").press("ArrowUp")
            page.locator("#grid").press("Enter")
            expect(page.locator("#count")).to_have_text(str(count))
        save(page)
        expect(page.locator("#finished")).to_be_visible()
        assert (ratings / f"trial.{rater}.labels.csv").exists()
        if rater == "ben":
            expect(page.locator("#next-step")).not_to_contain_text("--rater")  # there is no command line
            page.get_by_label("Another rater").fill("cleo")
            page.get_by_label("Another rater").press("Enter")
    expect(page.locator("#agreement-text")).to_contain_text("ben, cleo")
    given = read_labels(ratings / "trial.ben.labels.csv")
    mean = read_labels(ratings / "trial.mean.csv")
    assert [(one.time_s, one.valence) for one in mean] == [(one.time_s, one.valence) for one in given]

    page.get_by_role("link", name="Home").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download: trial.ben.labels.csv").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        archive.extractall(tmp_path / "got")
    for name in ("trial.ben.eaf", "trial.ben.valence.annotation"):
        assert [one.valence for one in read_labels(tmp_path / "got" / name)] == pytest.approx(
            [one.valence for one in given], abs=1e-3
        )

    page.goto(f"{url}#files/{tmp_path}/trial.mp4")
    page.locator("#file-labels").click()
    page.get_by_role("button", name="got/").click()
    page.get_by_role("button", name="trial.ben.eaf").click()
    page.locator("#file-rater").fill("dora")
    page.locator("#file-label").click()
    expect(page.locator("#count")).to_have_text("3")

    page.goto(f"{url}#files/{tmp_path}/trial.mp4")
    page.locator("#file-rater").fill("eve")
    with page.expect_response("**/rate/sound-*.webm") as sound:
        page.locator("#file-rate").click()
    assert sound.value.ok
    expect(page.locator("#sound")).to_have_text("Sound on")


def test_an_encrypted_calibration_opens_with_its_passphrase_on_the_page(
    studio: Callable[..., str], open_page: OpenPage, tmp_path: Path
) -> None:
    people = tmp_path / "study" / "participants"
    people.mkdir(parents=True)
    demo_support("auto", 1).save(people / "anna.mtclar", PASSPHRASE)
    page = open_page(studio())
    page.get_by_role("button", name="Calibrate again: anna").click()
    for passphrase in ("another one", PASSPHRASE):
        expect(page.locator("#passphrase")).to_be_visible()
        page.locator("#passphrase").fill(passphrase)
        page.locator("#passphrase").press("Enter")
        if passphrase != PASSPHRASE:
            expect(page.locator("#passphrase-message")).to_have_text("That is not its passphrase.")
    page.get_by_role("button", name="Continue with the saved labels").click()
    expect(page.locator("#count")).not_to_have_text("0")
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, document.cookie])"
    )
    assert PASSPHRASE not in stored
    page.reload()
    expect(page.locator("#passphrase")).to_be_visible()


def test_a_phone_is_a_camera_and_nothing_else_and_a_viewer_only_watches(
    studio: Callable[..., str], open_page: OpenPage, tmp_path: Path
) -> None:
    cert, key = make_certificate(tmp_path)
    url = studio(*token_options(tmp_path), "--host", "0.0.0.0", "--tls-cert", cert, "--tls-key", key)
    secure = {"ignore_https_errors": True}

    operator = open_page(url, **secure)
    enter(operator, OPERATOR)
    operator.get_by_role("button", name="Show the link").click()
    expect(operator.locator("#phone-code")).to_have_attribute("src", re.compile("^data:image/svg"))
    link = urlsplit(operator.locator("#phone-url").inner_text())
    assert (link.scheme, link.path) == ("https", "/camera")
    operator.locator("#phone").get_by_role("button", name="Close").click()
    expect(operator.locator("#now-state")).to_have_text("tracking")

    phone = open_page(link._replace(netloc=urlsplit(url).netloc).geturl(), PHONE, **secure)
    expect(phone.locator("#connection")).to_have_attribute("data-state", "live")
    assert "#" not in phone.url
    phone.reload()
    phone.get_by_role("button", name="Start the camera").click()
    expect(phone.locator("#size")).to_contain_text("640 × 480")
    expect(phone.locator("#to-dashboard")).to_be_hidden()

    viewer = open_page(url, **secure)
    enter(viewer, VIEWER)
    viewer.wait_for_url("**/live")
    expect(viewer.locator(".face").first).to_be_visible()
    expect(viewer.get_by_role("link", name="Home")).to_have_count(0)
    expect(viewer.locator("#record")).to_be_hidden()


def enter(page: Page, token: str) -> None:
    page.locator("#token").fill(token)
    page.locator("#token-send").click()
