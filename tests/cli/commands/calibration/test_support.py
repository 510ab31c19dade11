"""`mtclar-stream support` on files, and encrypted sets through calibrate and run."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Run

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration
from mtclar.calibrate.core.label_store import Snapshot
from mtclar.calibrate.core.sets.predecessors import predecessors
from mtclar.engine import models
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet, is_encrypted


def a_set(
    path: Path, seed: int = 1, *, crops: bool = True, sha256: str | None = None, subject: str = "anna"
) -> Path:
    rng = np.random.default_rng(seed)
    card, labels = models.card("encoder"), rng.uniform(-0.9, 0.9, (5, 2)).astype(np.float32)
    SupportSet(
        embeddings=rng.normal(size=(5, card.embedding_dim)).astype(np.float32),
        absolute=labels * 0.9,
        labels=labels,
        quality=np.ones(5, np.float32),
        times_s=np.arange(5.0),
        subject=subject,
        source="webcam",
        created="2026-01-02T03:04:05+00:00",
        encoder=EncoderIdentity(card.name, sha256 or card.sha256, FRAMING),
        crops=rng.integers(0, 255, (5, FRAMING.size, FRAMING.size), np.uint8) if crops else None,
    ).save(path)
    return path


def test_show_says_who_when_how_and_what_is_missing(command: Run, tmp_path: Path) -> None:
    done = command("support", "show", a_set(tmp_path / "anna.mtclar"), "--html", tmp_path / "anna.html")
    assert done.code == 0
    for words in (
        "anna",
        "2026-01-02",
        "webcam",
        models.card("encoder").sha256[:12],
        "5 frames",
        "neutral 0",
    ):
        assert words in done.out
    assert "<svg" in (tmp_path / "anna.html").read_text()
    assert (tmp_path / "anna.html").stat().st_mode & 0o77 == 0
    again = command("support", "show", tmp_path / "anna.mtclar", "--html", tmp_path / "anna.html")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert "--force" in again.err
    itself = command(
        "support", "show", tmp_path / "anna.mtclar", "--html", tmp_path / "anna.mtclar", "--force"
    )
    assert itself.code == 2


def test_show_without_a_name_shows_the_default_one(command: Run, home: Path) -> None:
    missing = command("support", "show")
    assert missing.code == 2
    assert "there is no support set" in missing.err
    a_set(home / "mtclar-stream" / "default.mtclar")
    assert command("support", "show").code == 0


def test_a_set_of_another_encoder_is_shown_and_taken_over(command: Run, tmp_path: Path) -> None:
    old = a_set(tmp_path / "old.mtclar", sha256="f" * 64)
    shown = command("support", "show", old)
    assert shown.code == 0
    assert "support reembed" in shown.out
    new = tmp_path / "new.mtclar"
    assert command("support", "reembed", old, "--out", new).code == 0
    assert SupportSet.load(new).encoder.sha256 == models.card("encoder").sha256
    bare = a_set(tmp_path / "bare.mtclar", crops=False, sha256="f" * 64)
    refused = command("support", "reembed", bare, "--out", tmp_path / "x.mtclar")
    assert refused.code == 1
    assert "were not kept" in refused.err
    assert not (tmp_path / "x.mtclar").exists()


def test_merge_and_prune_write_new_files_and_nothing_else(command: Run, tmp_path: Path) -> None:
    one, other = a_set(tmp_path / "1.mtclar"), a_set(tmp_path / "2.mtclar", 2)
    before = one.read_bytes()
    both = tmp_path / "both.mtclar"
    assert command("support", "merge", one, other, "--out", both).code == 0
    assert len(SupportSet.load(both)) == 10
    assert command("support", "merge", one, one, "--out", tmp_path / "x").code == 2
    assert command("support", "prune", both, "--keep", 4, "--out", tmp_path / "few.mtclar").code == 0
    assert len(SupportSet.load(tmp_path / "few.mtclar")) == 4
    assert command("support", "prune", both, "--out", tmp_path / "x").code == 2
    over = command("support", "prune", one, "--keep", 2, "--out", one)
    assert (over.code, one.read_bytes()) == (2, before)
    assert "--force" in over.err
    assert command("support", "prune", one, "--keep", 2, "--out", one, "--force").code == 0
    assert len(SupportSet.load(one)) == 2


def test_export_knows_its_form_by_the_ending(command: Run, tmp_path: Path) -> None:
    path = a_set(tmp_path / "anna.mtclar")
    assert (
        command("support", "export", path, "--out", tmp_path / "a.csv", "--crops", tmp_path / "faces").code
        == 0
    )
    assert (tmp_path / "a.csv").read_text().startswith("time,valence,arousal,video\n")
    assert len(list((tmp_path / "faces").glob("*.png"))) == 5
    assert command("support", "export", path, "--out", tmp_path / "a.json").code == 0
    assert json.loads((tmp_path / "a.json").read_text())["subject"] == "anna"
    assert command("support", "export", path, "--out", tmp_path / "a.xlsx").code == 2
    no_folder = command("support", "export", path, "--out", tmp_path / "b.csv", "--crops", tmp_path / "a.csv")
    assert no_folder.code == 2
    assert "a.csv is not a folder" in no_folder.err
    assert not (tmp_path / "b.csv").exists()


def test_passphrase_from_a_file_or_the_environment(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, secret = a_set(tmp_path / "anna.mtclar"), tmp_path / "secret.mtclar"
    word = tmp_path / "word"
    word.write_text("correct horse\n")
    done = command("support", "encrypt", plain, "--out", secret, "--passphrase-file", word)
    assert done.code == 0
    assert "still exists" in done.out
    assert is_encrypted(secret)
    nobody = command("support", "show", secret)
    assert nobody.code == 2
    assert "MTCLAR_PASSPHRASE" in nobody.err
    assert command("support", "show", secret, "--passphrase-file", word).code == 0
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "wrong")
    assert command("support", "show", secret).code == 1
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "correct horse")
    pruned = tmp_path / "pruned.mtclar"
    assert command("support", "prune", secret, "--keep", 2, "--out", pruned).code == 0
    assert is_encrypted(pruned)
    back = tmp_path / "back.mtclar"
    assert command("support", "decrypt", secret, "--out", back).code == 0
    np.testing.assert_array_equal(SupportSet.load(back).embeddings, SupportSet.load(plain).embeddings)
    assert command("support", "decrypt", back, "--out", tmp_path / "x").code == 2
    assert command("support", "encrypt", secret, "--out", tmp_path / "x").code == 2


def test_encrypting_in_place_leaves_no_copy_in_clear(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "correct horse")
    path = a_set(tmp_path / "anna.mtclar")
    previous = [a_set(tmp_path / f"anna.{name}.mtclar") for name in ("previous", "previous-20260102T030405Z")]
    done = command("support", "encrypt", path, "--out", path, "--force")
    assert done.code == 0
    assert is_encrypted(path)
    for one in previous:
        assert str(one) in done.out
        assert is_encrypted(one)
        assert command("support", "show", one).code == 0


def test_a_previous_set_is_listed_and_restored(command: Run, tmp_path: Path) -> None:
    path = a_set(tmp_path / "anna.mtclar", seed=2)
    previous = a_set(tmp_path / "anna.previous-20260102T030405Z.mtclar", seed=1)
    assert previous.name in command("support", "show", path).out
    now, before = path.read_bytes(), previous.read_bytes()
    done = command("support", "restore", previous)
    assert done.code == 0, done.err
    assert path.read_bytes() == before
    (kept,) = predecessors(path)
    assert kept.read_bytes() == now
    assert str(kept) in done.out
    assert command("support", "restore", kept).code == 0  # and back again
    assert path.read_bytes() == now
    for other, says in (
        (path, "not a predecessor"),
        (tmp_path / "anna.previous.mtclar", "no support set at"),
    ):
        refused = command("support", "restore", other)
        assert (refused.code, says in refused.err) == (2, True)
    damaged = tmp_path / "anna.previous-20260102T030406Z.mtclar"
    damaged.write_bytes(now[:100])
    assert command("support", "restore", damaged).code == 1
    assert path.read_bytes() == now


def test_run_and_calibrate_open_what_is_encrypted(
    command: Run, face_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("time,valence,arousal\n0.2,0,0\n0.6,0.3,0.1\n")
    out = tmp_path / "me.mtclar"
    asked = ("calibrate", "--source", face_clip, "--labels", labels, "--out", out)
    nobody = command(*asked, "--encrypt")
    assert (nobody.code, out.exists()) == (2, False)
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "correct horse")
    assert command(*asked, "--encrypt").code == 0
    assert is_encrypted(out)
    assert command(*asked, "--force").code == 0
    assert is_encrypted(out)  # as the one before
    ran = command("run", "--source", face_clip, "--support", out, "--port", 0, "--no-live")
    assert ran.code == 0
    assert "2 frames of 'me'" in ran.out


def test_forget_deletes_every_trace_of_one_person(command: Run, home: Path) -> None:
    folder = home / "mtclar-stream"
    nobody = command("support", "forget", "anna")
    assert nobody.code == 2
    assert "holds nothing about 'anna'" in nobody.err
    a_set(folder / "default.mtclar")
    a_set(folder / "default.previous.mtclar", subject="bob")
    a_set(folder / "Study 3.mtclar", seed=3)
    a_set(folder / "annabel.mtclar", seed=4, subject="annabel")
    SupportSet.load(folder / "default.mtclar").save(folder / "anna.sealed.mtclar", "open sesame")
    for subject, name in (("anna", "default"), ("bob", "bob")):
        CalibrationJournal(folder / f"{name}.mtclar", subject).write(
            UnfinishedCalibration(Snapshot((), ()), Ratings(1.0, 0.5, np.zeros((1, 4)))), "0" * 64
        )
    for name in ("default.labels.csv", ".default.unfinished.json.01234567.part", "anna.html", "annabel.html"):
        (folder / name).write_text("x")
    (folder / "default.unfinished.json").rename(folder / "default.unfinished.set-aside.json")
    exported = command(
        *("support", "export", folder / "Study 3.mtclar", "--out", folder / "rows.csv"),
        *("--crops", folder / "faces"),
    )
    assert exported.code == 0
    before = {path for path in folder.rglob("*") if path.is_file()}
    kept = {
        folder / name
        for name in (
            *("default.previous.mtclar", "annabel.mtclar", "annabel.html", "bob.unfinished.json", "rows.csv"),
        )
    }

    listed = command("support", "forget", "anna", "--dry-run")
    assert listed.code == 0
    assert f"{len(before - kept)} files would be deleted" in listed.out
    unasked = command("support", "forget", "anna")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert {path for path in folder.rglob("*") if path.is_file()} == before

    done = command("support", "forget", "anna", "--yes")
    assert done.code == 0
    assert all(str(path) in done.out for path in before - kept)
    assert {path for path in folder.rglob("*") if path.is_file()} == kept
    assert not (folder / "faces").exists()


def test_forget_opens_encrypted_sets_to_see_whose_they_are(
    command: Run, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = home / "mtclar-stream"
    SupportSet.load(a_set(tmp_path / "anna.mtclar")).save(folder / "secret.mtclar", "open sesame")
    unsure = command("support", "forget", "anna", "--yes")
    assert unsure.code == 2
    assert "secret.mtclar is encrypted" in unsure.out
    word = tmp_path / "word"
    word.write_text("open sesame\n")
    done = command("support", "forget", "anna", "--yes", "--passphrase-file", word)
    assert done.code == 0
    assert "other users can read the secret" in caplog.text
    assert not folder.exists()
