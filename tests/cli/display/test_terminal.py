"""Single keys on a real terminal: what they call, and in which state the terminal is left."""

import os
import signal
import subprocess
import sys

from support.terminal import on_a_terminal, shows_typed_signs

PROGRAM = """
import threading
from mtclar.cli.display.terminal import on_keys
done = threading.Event()
with on_keys({"m": lambda: print("marked", flush=True), "q": done.set}):
    print("ready", flush=True)
    done.wait()
print("ended", flush=True)
"""


def test_a_key_calls_its_action_and_the_terminal_is_given_back() -> None:
    with on_a_terminal("-c", PROGRAM) as (process, person):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.write(person, b"xm m")
        assert [process.stdout.readline() for _ in range(2)] == ["marked\n", "marked\n"]
        assert not shows_typed_signs(person)
        os.write(person, b"q")
        assert process.stdout.readline() == "ended\n"
        assert process.wait(60) == 0
        assert shows_typed_signs(person)


def test_ctrl_c_still_interrupts() -> None:
    with on_a_terminal("-c", PROGRAM) as (process, person):
        assert process.stdout is not None
        process.stdout.readline()
        os.write(person, b"m")
        process.stdout.readline()
        os.write(person, b"\x03")
        assert process.wait(60) == -signal.SIGINT
        assert shows_typed_signs(person)


def test_a_process_in_the_background_leaves_the_terminal_alone() -> None:
    background = f"""
import os, signal, subprocess, sys
with subprocess.Popen([sys.executable, "-c", {PROGRAM!r}], process_group=0, stdout=subprocess.PIPE, text=True) as child:
    print(child.stdout.readline(), end="", flush=True)
    input()  # the line is for this process, which has the terminal
    _, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
    print("runs" if status == 0 else "stopped", flush=True)
    child.kill()
"""
    with on_a_terminal("-c", background) as (process, person):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert shows_typed_signs(person)
        os.write(person, b"m\n")
        assert process.stdout.readline() == "runs\n"
        assert process.wait(60) == 0


def test_without_a_terminal_nothing_is_read() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("done.wait()", "pass")],
        input="m",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("ready\nended\n", "")
