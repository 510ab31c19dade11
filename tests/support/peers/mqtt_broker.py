"""A real MQTT broker, mosquitto, that can be killed and started again, and mosquitto_sub as its subscriber."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .server_program import ServerProgram, free_port, installed


class Mosquitto(ServerProgram):
    """A broker that keeps sessions on disk, so that subscribers lose nothing by a restart."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        port, file = free_port(), folder / "mosquitto.conf"
        super().__init__([installed("mosquitto"), "-c", str(file)], port, folder / "mosquitto.log")
        file.write_text(
            f"listener {port} 127.0.0.1\n{settings}\nuser root\npersistence true\n"
            f"persistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
        )


@contextmanager
def mosquitto(folder: Path, settings: str = "allow_anonymous true") -> Iterator[Mosquitto]:
    """A running broker."""
    broker = Mosquitto(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def subscriber(broker: Mosquitto, *options: str) -> Iterator[list[tuple[str, str]]]:
    """What mosquitto_sub receives of all topics, as (topic, payload); its session outlives the broker."""
    command = [installed("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(broker.port)]
    command += ["-t", "#", "-q", "1", "-c", "-i", "test", "-F", "%t\t%p", *options]
    received: list[tuple[str, str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                topic, _, payload = line.rstrip("\n").partition("\t")
                received.append((topic, payload))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield received
        finally:
            process.terminate()
            thread.join()
