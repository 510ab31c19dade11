"""Corpus: manifest, ledger, bad videos, and a run that is killed and resumed."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.media.known_clips import EVERY, KnownClip

from mtclar.engine.errors import UsageError
from mtclar.label.corpus import engines
from mtclar.label.corpus.ledger import Ledger, LedgerEntry
from mtclar.label.corpus.manifest import read_manifest, shard
from mtclar.label.job import Job
from mtclar.label.labelling import Settings

PATIENCE_S = 100.0
FEW = Settings(rate_hz=2)  # looks: these tests are about what is kept, not about how good it is


def support_of(clip: KnownClip, folder: Path) -> Path:
    lines = clip.video.with_suffix(".csv").read_text().splitlines()
    path = folder / f"{clip.video.stem}-labels.csv"
    path.write_text("\n".join([lines[0], *lines[1::EVERY]]) + "\n")
    return path


@pytest.fixture
def manifest(clips: list[KnownClip], tmp_path: Path) -> Path:
    """The four clips, outputs in a folder that is not there yet."""
    path = tmp_path / "corpus.csv"
    rows = ["video,support,out"]
    for clip in clips:
        shutil.copy(clip.video, tmp_path)
        rows.append(f"{clip.video.name},{support_of(clip, tmp_path).name},labelled/{clip.video.stem}.csv")
    path.write_text("\n".join(rows) + "\n")
    return path


def run(jobs: Sequence[Job], report: Path, workers: int = 1, engine: str = "local") -> list[LedgerEntry]:
    with Ledger(report) as ledger:
        return engines.run_corpus(jobs, FEW, engines.ENGINES[engine], workers, ledger, lambda _: None)


def test_bad_videos_are_reported_and_do_not_stop_others(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    with manifest.open("a") as file:
        file.write("broken.mp4,1002-labels.csv,labelled/broken.csv\n")
        file.write("1002.mp4,missing.csv,labelled/unlabelled.csv\n")
    jobs = read_manifest(manifest)
    report = tmp_path / "report.jsonl"
    first = run(jobs, report)
    assert [entry.status for entry in first] == ["done"] * 4 + ["failed"] * 2
    assert "not a video" in first[4].reason
    assert "missing.csv" in first[5].reason
    assert all(entry.frames == entry.valued == 250 and entry.video_s == 10.0 for entry in first[:4])
    assert sorted(path.name for path in (tmp_path / "labelled").iterdir()) == [
        name for clip in (1002, 1003, 1009, 1017) for name in (f"{clip}.csv", f"{clip}.csv.json")
    ]
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(lines) == 6
    written = {job.outs[0]: job.outs[0].stat().st_mtime_ns for job in jobs[:4]}
    # Again: finished videos are kept; the failed one is tried again, with a repaired video.
    shutil.copy(tmp_path / "1003.mp4", tmp_path / "broken.mp4")
    (tmp_path / "1003-labels.csv").write_text(
        "time,valence,arousal\n0,0.1,0.1\n"
    )  # changed input: labelled again
    second = run(jobs, report)
    assert [entry.status for entry in second] == ["kept", "done", "kept", "kept", "done", "failed"]
    for job in (jobs[0], jobs[2], jobs[3]):
        assert job.outs[0].stat().st_mtime_ns == written[job.outs[0]]
    (tmp_path / "labelled" / "1009.csv").unlink()
    assert run(jobs, report)[2].status == "done"  # an output that is gone is made again


def test_foreign_files_are_not_overwritten(manifest: Path, tmp_path: Path) -> None:
    jobs = read_manifest(manifest)[:2]
    (mine,) = jobs[0].outs
    mine.parent.mkdir()
    mine.write_text("somebody's work")
    report = tmp_path / "report.jsonl"
    for second in ("done", "kept"):  # that it was refused once does not make it ours
        by_out = {entry.out: entry for entry in run(jobs, report)}
        refused = by_out[str(mine)]
        assert (refused.status, by_out[str(jobs[1].outs[0])].status) == ("failed", second)
        assert f"{mine} exists already" in refused.reason
        assert mine.read_text() == "somebody's work"
    mine.unlink()
    assert {entry.status for entry in run(jobs, report)} == {"done", "kept"}
    (tmp_path / "1002-labels.csv").write_text("time,valence,arousal\n0,0.1,0.1\n")
    assert run(jobs, report)[0].status == "done", (
        "outputs listed in the ledger are replaced if the input changes"
    )


DYING = """
import os, signal
from mtclar.label.corpus.ledger import LedgerEntry

def open_worker(settings, shares):
    pass

def work(job, done_key):
    if "bad" in job.video.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return LedgerEntry(str(job.video), str(job.outs[0]), "done", key="key")
"""


def test_a_video_that_kills_its_worker_does_not_affect_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dying.py").write_text(DYING)  # a module of its own: the pool's processes must import it
    monkeypatch.syspath_prepend(tmp_path)
    import dying  # type: ignore[import-not-found]

    monkeypatch.setattr(engines, "_work", dying.work)
    monkeypatch.setattr(engines, "_init_worker", dying.open_worker)
    names = ["a", "bad", "b", "c", "bad2", "d"]
    jobs = [(Job(Path(f"{name}.mp4"), Path("l.csv"), (Path(f"{name}.csv"),)), "") for name in names]
    entries = list(engines.run_local(jobs, FEW, 2, lambda _: None))
    status = {entry.video: entry.status for entry in entries}
    assert len(entries) == len(names)
    assert status == {f"{name}.mp4": "failed" if "bad" in name else "done" for name in names}
    assert all("killed" in entry.reason for entry in entries if entry.status == "failed")


@pytest.mark.timeout(240)
def test_a_killed_run_resumes_without_losing_or_repeating_work(manifest: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    jobs = read_manifest(manifest)
    undisturbed = [Job(job.video, job.labels, (whole / job.outs[0].name,)) for job in jobs]
    run(undisturbed, whole / "report.jsonl")

    command = [sys.executable, "-m", "mtclar.cli.main", "label", "--corpus", str(manifest), "--rate", "2"]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = tmp_path / "corpus-report.jsonl"
    deadline = time.monotonic() + PATIENCE_S
    while not report.is_file() or report.read_text().count("\n") < 2:
        assert time.monotonic() < deadline
        assert victim.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    victim.kill()
    victim.wait(PATIENCE_S)
    before = {line["out"]: line for line in map(json.loads, report.read_text().splitlines())}
    finished = {out: Path(out).stat().st_mtime_ns for out in before}
    assert 2 <= len(before) < 4
    # The workers exit with their parent, so no file is written any more.
    journals = list((tmp_path / "labelled").glob(".*.unfinished"))

    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} kept from an earlier run, 0 failed" in done.stdout
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(lines) == 4, "each video is entered once"
    assert {line["out"] for line in lines} == {str(job.outs[0]) for job in jobs}
    for out, written in finished.items():
        assert Path(out).stat().st_mtime_ns == written, "what was done is not done again"
    for job in jobs:
        assert job.outs[0].read_bytes() == (whole / job.outs[0].name).read_bytes()
    assert not list((tmp_path / "labelled").glob(".*")), journals


@pytest.mark.timeout(240)
def test_ray_gives_the_same_result(manifest: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed; `make setup-all` brings it")
    # Ray starts servers of its own that outlive warnings turned into errors: a process of its own, as a user has it.
    command = [sys.executable, "-m", "mtclar.cli.main", "label", "--corpus", str(manifest), "--rate", "2"]
    command += ["--keep-going"]
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    with manifest.open("a") as file:
        file.write("broken.mp4,1002-labels.csv,labelled/broken.csv\n")
    done = subprocess.run(
        [*command, "--engine", "ray", "--workers", "2"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "4 videos labelled, 0 kept from an earlier run, 1 failed" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "0 videos labelled, 4 kept from an earlier run, 1 failed" in again.stdout, (
        "the engines share their ledger"
    )


@given(st.integers(1, 9), st.integers(0, 40))
def test_shards_cover_a_corpus_exactly_once(parts: int, count: int) -> None:
    jobs = [Job(Path(f"{i}.mp4"), Path("l.csv"), (Path(f"{i}.csv"),)) for i in range(count)]
    dealt = [job for part in range(1, parts + 1) for job in shard(jobs, f"{part}/{parts}")]
    assert sorted(dealt, key=jobs.index) == jobs
    assert shard(jobs, None) == jobs


@pytest.mark.parametrize("part", ["0/4", "5/4", "4", "1/0", "a/b", "-1/2"])
def test_invalid_shard(part: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        shard([], part)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,support\na.mp4,a.csv\n", "there is no column out"),
        ("video,support,out\n", "lists no video"),
        ("video,support,out\na.mp4,,o.csv\n", "line 2: support is missing"),
        ("video,support,out\na.mp4,a.csv,o.txt\n", "line 2: .*unknown output format"),
        ("video,support,out\na.mp4,a.csv,a.csv\n", "is also an input"),
        ("video,support,out\na.mp4,a.csv,o.csv\nb.mp4,b.csv,./o.csv\n", "two videos"),
        ("video,support,out,fps\na,a.csv,o.csv,often\n", "line 2: fps"),
    ],
)
def test_invalid_manifest(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_manifest(path)


def test_a_manifest_as_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"video": "a.mp4", "support": "a.csv", "out": "o/a.parquet"}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "m.parquet")
    (job,) = read_manifest(tmp_path / "m.parquet")
    assert job == Job(tmp_path / "a.mp4", tmp_path / "a.csv", (tmp_path / "o" / "a.parquet",))
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot read"):
        read_manifest(tmp_path / "bad.parquet")


def test_a_truncated_line_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with Ledger(path) as ledger:
        ledger.add(LedgerEntry("a", "a.csv", "done", key="1"))
        ledger.add(LedgerEntry("b", "b.csv", "done", key="2"))
    path.write_bytes(path.read_bytes()[:-5])
    with Ledger(path) as ledger:
        assert set(ledger.entries) == {"a.csv"}
        ledger.add(LedgerEntry("c", "c.csv", "failed", reason="no"))
    with Ledger(path) as ledger:
        assert set(ledger.entries) == {"a.csv", "c.csv"}
    path.write_text("frame,time\n0,0\n")
    with pytest.raises(UsageError, match="not a report"):
        Ledger(path)
