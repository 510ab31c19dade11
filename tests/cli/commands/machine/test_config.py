"""The configuration file: as many keys as `run` has flags, an example that is true, and faults with file and line."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.cli.commands.live.run import command as run
from mtclar.cli.files.config_file import Setting, example, read_config, readable_secrets, settings_of
from mtclar.cli.main import PROGRAM
from mtclar.engine.errors import UsageError

Command = Callable[..., Any]
SETTINGS = settings_of(run)
BY_KEY = {setting.key: setting for setting in SETTINGS}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "mtclar.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_every_flag_of_run_is_a_key(command: Command) -> None:
    flags = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", command("run", "--help").out, re.MULTILINE))
    assert set(BY_KEY) == flags - {"config", "help"}
    assert BY_KEY["source"].many
    assert (BY_KEY["port"].kind, BY_KEY["port"].least, BY_KEY["port"].most) == (int, 0, 65535)
    assert BY_KEY["batch-wait-ms"].kind is float
    assert BY_KEY["tls-cert"].kind is Path
    assert BY_KEY["no-live"].kind is bool
    assert BY_KEY["log"].choices == ("plain", "json")


def test_each_line_of_the_example_is_a_default(command: Command, write: Callable[[str], Path]) -> None:
    text = command("config", "--example").out
    assert text == example(SETTINGS, PROGRAM)
    assert tomllib.loads(text) == {}  # as it is, it changes nothing
    lines = [line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert len(lines) == len(SETTINGS)
    values = read_config(write("\n".join(lines)), SETTINGS)
    for setting in SETTINGS:
        if setting.default is not None:
            assert values[setting.name] == setting.default
    assert all(setting.help for setting in SETTINGS)


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("\n\nprot = 1", "line 3: there is no key 'prot'", "did you mean 'port'"),
        ("max_clients = 1", "line 1: there is no key 'max_clients'", "did you mean 'max-clients'"),
        ("elephant = 1", "line 1: there is no key 'elephant'", "config --example"),
        ("host = 'x'\n[run]\nport = 1", "line 2: there is no key 'run'", "leave out the [table]"),
        ("host = 'x'\nport = '1'", "line 2: port is a text", "a whole number"),
        ('csv = "a\\u0000b"', "line 1: csv is a text with a NUL character", "a text"),
        ("port = 1.5", "line 1: port is a number", "a whole number"),
        ("port = true", "line 1: port is true or false", "a whole number"),
        ("port = 65536", "line 1: port is 65536", "at least 0 and at most 65535"),
        ("threads = 0", "line 1: threads is 0", "at least 1"),
        ("batch-wait-ms = -1", "line 1: batch-wait-ms is -1", "at least 0"),
        ("no-live = 1", "line 1: no-live is a number", "true or false"),
        ("source = 'webcam'", "line 1: source is a text", "a list of texts"),
        ("source = [1]", "line 1: source is a list", "a list of texts"),
        ("log = 'xml'", "line 1: log is another value", "one of plain, json"),
        ("token = 12345678", "line 1: token is a number", "a text"),
        ("port = ", "is not TOML", "config --example"),
        ("a = 1\na = 2", "is not TOML", "config --example"),
    ],
)
def test_faults_name_file_line_and_what_to_do(
    text: str, what: str, hint: str, write: Callable[[str], Path]
) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        read_config(path, SETTINGS)
    assert str(path) in caught.value.what
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert "12345678" not in caught.value.what + caught.value.hint


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, what in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "folder"),
        (tmp_path / "binary", "UTF-8"),
    ):
        with pytest.raises(UsageError, match=what):
            read_config(path, SETTINGS)


def test_paths_are_expanded_since_no_shell_does(write: Callable[[str], Path]) -> None:
    values = read_config(write("csv = '~/out.csv'\nbatch-wait-ms = 2"), SETTINGS)
    assert values == {"csv": str(Path("~/out.csv").expanduser()), "batch_wait_ms": 2}


def test_secrets_that_others_can_read(write: Callable[[str], Path]) -> None:
    for text in (
        'token = "a-long-enough-token"',
        '"token" = "a-long-enough-token"',
        'source = ["rtsp://me:secret@camera/"]',
        "source = ['demo', 'rtsp://camera/?key=secret']",
    ):
        path = write(text)
        assert not readable_secrets(path)
        path.chmod(0o644)
        assert readable_secrets(path)
    path = write('port = 1\nsource = ["rtsp://camera/"]  # not rtsp://me:secret@camera/')
    path.chmod(0o644)
    assert not readable_secrets(path)


def test_run_takes_the_file_and_the_command_line_wins(
    command: Command, write: Callable[[str], Path], face_clip: Path, tmp_path: Path
) -> None:
    from_file, from_flag = tmp_path / "file.json", tmp_path / "flag.json"
    path = write(
        f'source = ["{face_clip}"]\nport = 0\nfreshness = "all"\nno-live = true\nsummary-json = "{from_file}"\n'
    )
    done = command("run", "--config", path, "--summary-json", from_flag)
    assert done.code == 0, done.err
    assert json.loads(from_flag.read_text())["freshness"] == "all"
    assert not from_file.exists()
    assert done.err == ""


def test_run_refuses_a_faulty_file(command: Command, write: Callable[[str], Path]) -> None:
    done = command("run", "--config", write("prot = 1"))
    assert done.code == 2
    assert "did you mean 'port'" in done.err


def test_check(command: Command, write: Callable[[str], Path]) -> None:
    path = write("port = 1\ntoken = 'a-long-enough-token'")
    done = command("config", "--check", path)
    assert (done.code, "is valid: 2 keys" in done.out) == (0, True)
    path.chmod(0o644)
    assert "chmod 600" in command("config", "--check", path).out
    assert command("config", "--check", write("prot = 1")).code == 2
    for arguments in ((), ("--example", "--check", path)):
        assert command("config", *arguments).code == 2


def test_a_setting_knows_its_words() -> None:
    assert Setting("a", "a", int, False, 1).words == "a whole number"
