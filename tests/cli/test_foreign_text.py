"""Texts of files and clients in what commands print and log: no escape sequence, no forged line."""

import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Run

from mtclar.cli.display.logs import set_up_logs
from mtclar.cli.display.terminal import Terminal, print_text, progress_bars
from mtclar.engine.support_set import SupportSet

EVIL = "anna\x1b]0;owned\x07\x1b[2J\x9b31m\nerror: all is lost\N{RIGHT-TO-LEFT OVERRIDE}"


def with_subject(path: Path, subject: str) -> Path:
    """A support set whose manifest has texts that this program would not write."""
    good = path.with_suffix(".good")
    zeros = np.zeros((1, 2), np.float32)
    SupportSet(np.ones((1, 4), np.float32), zeros, zeros, subject="anna").save(good)
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "manifest.json":
                manifest = json.loads(content)
                manifest |= {"subject": subject, "source": subject, "notes": subject, "created": subject}
                manifest["model"]["name"] = subject
                content = json.dumps(manifest).encode()
            new.writestr(name, content)
    return path


def test_a_hostile_support_set_is_shown_in_plain_text(command: Run, tmp_path: Path) -> None:
    path = with_subject(tmp_path / "anna.mtclar", EVIL)
    support = SupportSet.load(path)
    for text in (support.subject, support.source, support.notes, support.created, support.encoder.name):
        assert text.isprintable()
        assert text.startswith("anna")
    assert len(SupportSet.load(with_subject(tmp_path / "long.mtclar", "x" * 10_000)).subject) == 200
    shown = command("support", "show", path)
    assert shown.code == 0
    refused = command("run", "--source", "demo", "--support", path, "--port", 0)
    assert refused.code == 1
    missing = command("support", "show", tmp_path / EVIL)
    assert missing.code == 2
    for done in (shown, refused, missing):
        assert all(line.isprintable() for line in (done.out + done.err).split("\n"))
        assert not [line for line in done.out.split("\n") if line.startswith("error")]


def test_a_terminal_prints_its_own_codes_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    console = Terminal(force_terminal=True, color_system="standard")
    print_text(console, f"{EVIL[:-1]}", "yellow")
    console.out(EVIL)
    out = capsys.readouterr().out
    assert "\x1b[33m" in out
    assert "\x1b]" not in out
    assert "\x1b[2J" not in out
    assert "\x9b" not in out


def test_a_file_name_in_a_progress_bar_is_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bars() as bars:
        bars.add_task("[/]\x1b]0;owned\x07.mp4", total=1)
        bars.refresh()
    shown = capsys.readouterr().err
    assert "[/]" in shown
    assert "\x1b]" not in shown


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_log_entry_is_one_line_whatever_its_text(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(form)  # type: ignore[arg-type]
    try:
        logging.getLogger("mtclar.x").warning(EVIL, extra={"fields": {"label": EVIL, "nested": [EVIL]}})
    finally:
        logging.getLogger("mtclar").setLevel(logging.NOTSET)
        set_up_logs("plain")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    if form == "json":
        entry = json.loads(line)
        for text in (entry["message"], entry["label"], *entry["nested"]):
            assert text.replace("\n", "").isprintable()
