"""Outlets of the Lab Streaming Layer as an inlet in another process sees them, and from where they can be read."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.pipeline_parts import MODEL, affect

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StreamInfo, SubjectInfo
from mtclar.stream.sinks import Sink, SinkGroup, open_sink

pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")

INLET = Path(__file__).parents[2] / "support" / "peers" / "lsl_inlet.py"
WAIT_S = 60.0
CLOCK_ERROR_S = 0.005
CAM = f"cam{os.getpid()}"  # a machine has one LSL: other tests may have outlets there
ANNA, MARKS = f"Affect {CAM} anna", f"Marks {CAM}"
INFO = StreamInfo(CAM, "webcam:0", True, (640, 480), 30.0, "latest", (SubjectInfo("anna", 12),))


@pytest.fixture
def sinks() -> Iterator[SinkGroup]:
    sink = open_sink("lsl")
    sink.model = MODEL
    with SinkGroup([sink]) as group:
        group.open([INFO])
        yield group


def read(
    names: list[str], count: int, send: Callable[[int], object], most: int = 10**6
) -> dict[str, dict[str, Any]]:
    """What an inlet gets of these outlets while `send` is called with 0, 1, 2 ..."""
    command = [sys.executable, str(INLET), *names, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as inlet:
        assert inlet.stdout is not None
        assert inlet.stdout.readline() == "connected\n"
        for number in range(most):
            send(number)
            try:
                inlet.wait(0.02)
                break
            except subprocess.TimeoutExpired:
                continue
        results = [json.loads(line) for line in inlet.stdout]
        assert inlet.wait(WAIT_S) == 0
    return {result["name"]: result for result in results}


def test_an_inlet_gets_values_on_the_clock_of_capture(
    sinks: SinkGroup, make_message: Callable[..., AffectMessage]
) -> None:
    times_s = []

    def send(number: int) -> None:
        message = make_message(number, stream=CAM)
        times_s.append(message.t_capture_s)
        sinks.affect(message)
        sinks.mark(MarkMessage("überraschend", message.t_capture_s))

    for _ in range(2):  # a recorder that is started again
        got = read([ANNA, MARKS], 5, send)
        for sample in got[ANNA]["samples"]:
            assert sample == pytest.approx([0.25, -0.5, 0.05, 0.06, 1.0, 1.0])
        assert got[MARKS]["samples"] == 5 * [["überraschend"]]
        for result in got.values():  # the monotonic clock is that of all processes of a machine
            for time_s in result["times"]:
                assert min(abs(time_s - sent_s) for sent_s in times_s) < CLOCK_ERROR_S


def test_where_there_is_no_value_there_is_nan(
    sinks: SinkGroup, make_message: Callable[..., AffectMessage]
) -> None:
    unmeasured = replace(
        affect(valence=None), arousal=None, valence_sd=None, arousal_sd=None, raw=None, state="low_quality"
    )

    def send(number: int) -> None:
        faces = () if number % 2 else (unmeasured,)
        sinks.affect(replace(make_message(number, stream=CAM), faces=faces))

    samples = read([ANNA], 6, send)[ANNA]["samples"]
    assert {sample[4] for sample in samples} == {0.0, 2.0}  # absent, low_quality
    assert all(math.isnan(value) for sample in samples for value in (*sample[:4], sample[5]))


def test_metadata_follow_the_conventions(
    sinks: SinkGroup, make_message: Callable[..., AffectMessage]
) -> None:
    got = read([ANNA], 1, lambda number: sinks.affect(make_message(number, stream=CAM)))
    xml = ElementTree.fromstring(got[ANNA]["xml"])
    channels = [
        (channel.findtext("label"), channel.findtext("unit"))
        for channel in xml.findall("desc/channels/channel")
    ]
    assert channels == [
        *((name, "normalized") for name in ("valence", "arousal", "valence_sd", "arousal_sd")),
        ("state", "code"),
        ("in_support", "bool"),
    ]
    expected = {
        "type": "Affect",
        "nominal_srate": "0.000000000000000",  # irregular
        "desc/acquisition/model": "small",
        "desc/acquisition/model_sha256": "abc123",
        "desc/subject/id": "anna",
        "desc/subject/support_set/frames": "12",
        "desc/source/nominal_rate": "30",
        "desc/states/ok/code": "1",
    }
    assert {path: xml.findtext(path) for path in expected} == expected


def test_a_new_face_gets_an_outlet_of_its_own(
    sinks: SinkGroup, make_message: Callable[..., AffectMessage]
) -> None:
    stranger = replace(affect(7), subject=None)
    message = replace(make_message(stream=CAM), faces=(affect(), stranger))
    sinks.affect(message)
    got = read([f"Affect {CAM} face-1"], 2, lambda _: sinks.affect(message))
    assert "support_set" not in got[f"Affect {CAM} face-1"]["xml"]


def test_no_other_machine_can_read_the_outlets_unless_asked(tmp_path: Path) -> None:
    """Two network namespaces with a cable between them: what reaches the first from the second is another machine."""
    if (
        shutil.which("ip") is None
        or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode
    ):
        pytest.skip("needs root and `ip`, to lay a network of its own")
    program = tmp_path / "machines.py"
    program.write_text(TWO_MACHINES)
    for spec, found in (("lsl", "local"), ("lsl://network", "local remote")):
        command = ["unshare", "-n", sys.executable, str(program), spec]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        assert (done.returncode, done.stdout.strip()) == (0, found), done.stderr


TWO_MACHINES = """
import subprocess, sys
from xml.etree import ElementTree
from mtclar.stream.protocol.messages import StreamInfo
from mtclar.stream.sinks import open_sink

def run(*command):
    subprocess.run(command, check=True)

run("ip", "link", "set", "lo", "up")
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
other = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo up; exec cat"], **pipes)
other.stdout.readline()
inside = ["nsenter", "-n", "-t", str(other.pid)]
run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other.pid))
run("ip", "addr", "add", "10.77.0.1/24", "dev", "here")
run("ip", "link", "set", "here", "up")
run(*inside, "ip", "addr", "add", "10.77.0.2/24", "dev", "there")
run(*inside, "ip", "link", "set", "there", "up")

sink = open_sink(sys.argv[1])
sink.open([StreamInfo("cam", "webcam:0", True, None, 30.0, "latest")])
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], {port}), 30).close()"
found = []
for name, prefix, address in (("local", [], "127.0.0.1"), ("remote", inside, "10.77.0.1")):
    tries = [
        subprocess.run([*prefix, sys.executable, "-c", CONNECT.format(port=port), address], stderr=subprocess.DEVNULL)
        for port in (16572, 16573)  # the first that liblsl takes, for marks and values
    ]
    if any(done.returncode == 0 for done in tries):
        found.append(name)
print(" ".join(found))
other.stdin.close()
"""


def test_an_argument_that_it_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match="does not take 'eth0'"):
        open_sink("lsl://eth0")


def test_it_is_a_sink_with_a_thread_of_its_own() -> None:
    sink = open_sink("lsl")
    assert isinstance(sink, Sink)
    assert sink.own_thread
    assert not sink.required
