"""The cache of engines: invalid entries are built again; races, kills and a full disk do no harm."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from mtclar.engine.backends.tensorrt.cache import EngineCache, EngineKey

KEY = EngineKey("encoder fp16", "ab" * 32, "tensorrt-rtx 1.7", "8.6", "NVIDIA Imaginary 3090", "face 1..64")
PLAN = bytes(range(256)) * 40

# A process that gets the engine; its build says that it began, waits for a file, and counts itself.
BUILDER = """
import sys, time
from pathlib import Path
from mtclar.engine.backends.tensorrt.cache import EngineCache, EngineKey
folder, notes, plan_bytes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
key = EngineKey("encoder fp16", "ab" * 32, "tensorrt-rtx 1.7", "8.6", "NVIDIA Imaginary 3090", "face 1..64")
def build():
    with (notes / "builds").open("a") as file:
        file.write("x")
    (notes / "began").touch()
    while not (notes / "go").exists():
        time.sleep(0.01)
    return bytes(range(256)) * (plan_bytes // 256)
print(len(EngineCache(folder, lambda text: print(text, flush=True)).get(key, build)), flush=True)
"""


class Processes:
    """Builders in processes of their own, all gone at the end."""

    def __init__(self, folder: Path) -> None:
        self.engines, self.notes = folder / "engines", folder / "notes"
        self.notes.mkdir()
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *before: str, plan_bytes: int = len(PLAN)) -> subprocess.Popen[str]:
        command = [
            *before,
            sys.executable,
            "-c",
            BUILDER,
            str(self.engines),
            str(self.notes),
            str(plan_bytes),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._started.append(process)
        return process

    def wait_for_build(self) -> None:
        for _ in range(3000):
            if (self.notes / "began").exists():
                return
            time.sleep(0.01)
        raise AssertionError("no build began in 30 s")

    def go(self) -> None:
        (self.notes / "go").touch()

    @property
    def builds(self) -> int:
        return len((self.notes / "builds").read_text())

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def never() -> bytes:
    raise AssertionError("built although there is a good engine")


def test_an_engine_is_built_once_and_found_again(cache: EngineCache) -> None:
    assert cache.get(KEY, lambda: PLAN) == PLAN
    assert cache.get(KEY, never) == PLAN
    assert EngineCache(cache.folder).get(KEY, never) == PLAN
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert cache.path(KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("field", ["graph_sha256", "runtime", "capability", "card", "shapes", "label"])
def test_engine_key_covers_every_dependency(cache: EngineCache, field: str) -> None:
    cache.get(KEY, lambda: PLAN)
    other = replace(KEY, **{field: "another"})
    assert cache.load(other) is None
    assert cache.get(other, lambda: b"other") == b"other"
    assert cache.get(KEY, never) == PLAN


def test_a_file_under_a_foreign_name_is_rejected(cache: EngineCache) -> None:
    """Renamed by hand, or copied from another machine: the header says what it is."""
    other = replace(KEY, card="another card")
    cache.get(other, lambda: b"other")
    shutil.copy(cache.path(other), cache.path(KEY))
    assert cache.get(KEY, lambda: PLAN) == PLAN


@pytest.mark.parametrize("kept", [0, 1, 100, 300, 1000, -1])
def test_a_truncated_engine_is_built_again(cache: EngineCache, kept: int) -> None:
    cache.get(KEY, lambda: PLAN)
    path = cache.path(KEY)
    path.write_bytes(path.read_bytes()[:kept])
    assert cache.load(KEY) is None
    assert cache.get(KEY, lambda: PLAN) == PLAN
    assert cache.get(KEY, never) == PLAN


def test_a_flipped_byte_is_noticed_wherever_it_is(cache: EngineCache) -> None:
    cache.get(KEY, lambda: PLAN)
    whole = cache.path(KEY).read_bytes()
    for position in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[position] ^= 0x20
        cache.path(KEY).write_bytes(damaged)
        assert cache.load(KEY) is None, position


def test_an_engine_of_another_user_is_rejected(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.get(KEY, lambda: PLAN)
    if os.geteuid() == 0:
        os.chown(cache.path(KEY), 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert cache.load(KEY) is None


def test_a_writable_engine_is_not_trusted(cache: EngineCache) -> None:
    cache.get(KEY, lambda: PLAN)
    cache.path(KEY).chmod(0o666)
    assert cache.load(KEY) is None
    assert cache.get(KEY, lambda: PLAN) == PLAN
    assert cache.path(KEY).stat().st_mode & 0o777 == 0o600


def test_a_file_system_without_locks_is_tolerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FileLock, **_: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    said: list[str] = []
    assert EngineCache(tmp_path / "engines", said.append).get(KEY, lambda: PLAN) == PLAN
    assert "cannot be kept" in said[0]


def test_a_failed_build_can_be_repeated(cache: EngineCache) -> None:
    def fails() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get(KEY, fails)
    assert not list(cache.folder.glob("*.engine"))
    assert cache.get(KEY, lambda: PLAN) == PLAN


def test_of_two_processes_one_builds_and_both_get_it(processes: Processes) -> None:
    one = processes.start()
    processes.wait_for_build()
    other = processes.start()
    assert other.stdout is not None
    assert other.stdout.readline() == "Another process is compiling encoder fp16: waiting for it.\n"
    processes.go()
    answers = [process.communicate(timeout=60)[0].split()[-1] for process in (one, other)]
    assert answers == [str(len(PLAN))] * 2
    assert processes.builds == 1
    assert EngineCache(processes.engines).get(KEY, never) == PLAN


def test_a_killed_builder_blocks_no_other(processes: Processes) -> None:
    killed = processes.start()
    processes.wait_for_build()
    waiting = processes.start()
    left = processes.engines / f".{EngineCache(processes.engines).path(KEY).name}.xyz.part"
    left.write_bytes(PLAN[:100])  # as if it had been killed while it wrote
    killed.send_signal(signal.SIGKILL)
    processes.go()
    assert waiting.communicate(timeout=60)[0].split()[-1] == str(len(PLAN))
    assert processes.builds == 2
    assert not left.exists()
    assert EngineCache(processes.engines).get(KEY, never) == PLAN


def test_a_full_disk_costs_the_cache_and_not_the_run(processes: Processes) -> None:
    """A tmpfs of 64 kB, mounted where only that process sees it."""
    processes.engines.mkdir()
    mount = 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"'
    own = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    processes.go()
    process = processes.start(
        "unshare", *own, "sh", "-c", mount, str(processes.engines), plan_bytes=256 * 1024
    )
    answer, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert answer.split()[-1] == str(256 * 1024)
    assert "No space left" in answer
    assert processes.builds == 1


def test_an_impossible_cache_folder_is_tolerated(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    assert EngineCache(tmp_path / "file" / "engines", said.append).get(KEY, lambda: PLAN) == PLAN
    assert "cannot be kept" in said[0]


def test_a_failed_write_leaves_no_part(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert cache.get(KEY, lambda: PLAN) == PLAN
    assert [path.suffix for path in cache.folder.iterdir()] in ([], [".lock"])
