"""LSL markers of another process, in the order in which a lab meets them: found late, restarted, with other clocks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command
from mtclar.stream.markers import open_markers
from mtclar.stream.protocol.client_messages import LABEL_LENGTH
from mtclar.stream.protocol.messages import MarkMessage, StreamInfo
from mtclar.stream.sinks import SinkGroup, open_sink

pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")

OUTLET = Path(__file__).parents[2] / "support" / "peers" / "lsl_outlet.py"
WAIT_S = 60.0
CLOCK_ERROR_S = 0.05  # on a busy machine; the other clock is 5,000 s ahead
NAME = f"PsychoPy {os.getpid()}"  # a machine has one LSL: other tests may have outlets there
ANOTHER_CLOCK = ("unshare", "--time", "--monotonic", "5000")

Marks = list[tuple[str, float]]


class Program:
    """An experiment that sends markers."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def send(self, label: str | bytes) -> float:
        """When it was sent, on the clock of its process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(label.encode() if isinstance(label, str) else label)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def wait_for_reader(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"connected\n"


@contextmanager
def program(
    name: str = NAME,
    kind: str = "Markers",
    source_id: str = "lab",
    form: str = "string",
    stamps: str = "lsl",
    before: tuple[str, ...] = (),
) -> Iterator[Program]:
    command = [*before, sys.executable, str(OUTLET), name, kind, source_id, form, stamps]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@contextmanager
def following(spec: str = f"lsl://{NAME}") -> Iterator[tuple[Marks, list[str]]]:
    """The marks so far, and what was said about the connections."""
    marks: Marks = []
    said: list[str] = []
    with open_markers(spec, lambda label, time_s: marks.append((label, time_s)), said.append):
        yield marks, said


def test_a_marker_becomes_a_mark_with_the_time_at_which_it_was_sent(eventually: Any) -> None:
    labels = ["trial 1", "überrascht", "überrascht".encode("latin-1"), "", 600 * "x"]
    with program() as experiment, following() as (marks, _):
        experiment.wait_for_reader()
        sent_s = [experiment.send(label) for label in labels if label != ""]
        experiment.send("")  # no mark
        eventually(lambda: len(marks) == 4)
        for (_, time_s), at_s in zip(marks, sent_s, strict=True):
            assert abs(time_s - at_s) < CLOCK_ERROR_S
    assert [label for label, _ in marks] == ["trial 1", "überrascht", "überrascht", LABEL_LENGTH * "x"]


@pytest.mark.parametrize("source_id", ["lab", ""])
def test_a_program_that_starts_later_and_restarts_is_found_each_time(source_id: str, eventually: Any) -> None:
    with following() as (marks, said):
        for restart in range(3):
            with program(source_id=source_id) as experiment:
                experiment.wait_for_reader()
                experiment.send(f"start {restart}")
                eventually(lambda: marks and marks[-1][0] == f"start {restart}")  # noqa: B023
            eventually(lambda: said[-1].endswith("waiting for it to return"))
        assert [label for label, _ in marks] == ["start 0", "start 1", "start 2"]
        assert sum(text.endswith("connected") for text in said) == 3


def test_the_clock_of_another_machine_is_corrected(eventually: Any) -> None:
    """A time namespace has a monotonic clock of its own, as another machine has."""
    if subprocess.run([*ANOTHER_CLOCK, "true"], capture_output=True).returncode:
        pytest.skip("needs root and time namespaces, for a clock of its own")
    with program(before=ANOTHER_CLOCK) as experiment, following() as (marks, _):
        experiment.wait_for_reader()
        sent_s = experiment.send("far")
        eventually(lambda: marks)
        assert abs(marks[0][1] - (sent_s - 5000)) < CLOCK_ERROR_S


def test_stamps_of_no_known_clock_give_way_to_the_time_of_arrival(
    eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with program(stamps="own") as experiment, following() as (marks, _):
        experiment.wait_for_reader()
        sent_s = [experiment.send(f"trial {number}") for number in range(3)]
        eventually(lambda: len(marks) == 3)
    assert all(0 <= time_s - at_s < WAIT_S for (_, time_s), at_s in zip(marks, sent_s, strict=True))
    assert caplog.text.count("not of LSL's clock, the time of arrival is used") == 1


def test_without_a_name_all_marker_streams_are_followed_but_our_own(eventually: Any) -> None:
    own = f"own {os.getpid()}"
    with (
        SinkGroup([open_sink("lsl")]) as sinks,
        program(f"{NAME} codes", form="int32") as codes,
        program(f"{NAME} texts") as texts,
        following("lsl") as (marks, said),
    ):
        sinks.open([StreamInfo(f"cam{os.getpid()}", "webcam:0", True, None, 30.0, "latest")])
        for experiment in (codes, texts):
            experiment.wait_for_reader()
            sinks.mark(MarkMessage(own, 0.0))
        codes.send("1234567")
        texts.send("the end")
        eventually(lambda: {"1234567", "the end"} <= {label for label, _ in marks})
    assert own not in {label for label, _ in marks}
    assert said[0] == "LSL markers: streams of type Markers are awaited"


def test_a_name_chooses_streams_of_any_type(eventually: Any) -> None:
    with (
        program(f"{NAME} other") as other,
        program(kind="Events") as named,
        following() as (marks, _),
    ):
        named.wait_for_reader()
        named.send("kept")
        eventually(lambda: marks)
        assert other.process.poll() is None
    assert [label for label, _ in marks] == ["kept"]


def test_a_flood_is_cut_and_counted(eventually: Any, caplog: pytest.LogCaptureFixture) -> None:
    with program() as experiment, following() as (marks, _):
        experiment.wait_for_reader()
        assert experiment.process.stdin is not None
        experiment.process.stdin.write(b"".join(b"%d\n" % number for number in range(2000)))
        experiment.process.stdin.flush()
        eventually(lambda: "the others are dropped" in caplog.text)
    assert 50 <= len(marks) < 2000
    assert "LSL markers beyond 50 a second were dropped" in caplog.text


def test_what_cannot_be_opened_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no marker stream 'serial'"):
        open_markers("serial", print)
    open_markers("lsl", print)
    with pytest.raises(UsageError, match="exclude each other"):
        open_markers("lsl://network", print)
    monkeypatch.delitem(sys.modules, "mtclar.stream.markers.lsl", raising=False)
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(UsageError, match="'lsl' cannot be loaded") as raised:
        open_markers("lsl", print)
    assert raised.value.hint == install_command("lsl")


def test_markers_of_ones_own_are_one_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_markers.py").write_text(
        "from contextlib import contextmanager\n\n\n"
        "@contextmanager\ndef open_pedal(argument, on_marker, progress):\n    on_marker(argument, 1.0)\n    yield\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    marks: Marks = []
    with open_markers("lab_markers:open_pedal://left", lambda label, time_s: marks.append((label, time_s))):
        pass
    assert marks == [("left", 1.0)]
