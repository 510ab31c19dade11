"""What the commands of each page need: packages of extras, files, servers, and what takes the place of their names."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from mtclar.stream import demo_clip
from support.media import ferplus_folder, real_people_file
from support.media.clip_beginning import as_images, beginning
from support.peers.mqtt_broker import mosquitto, subscriber
from support.peers.nats_server import listener, nats_cluster, nats_server
from support.peers.server_process import ServerProcess

from .runner import ROOT, run_command

Prepare = Callable[[Path], AbstractContextManager[Mapping[str, str]]]
Files = Callable[[Path], None]


@dataclass(frozen=True)
class Needs:
    """`files` makes files beside video.mp4 and labels.csv; `servers` runs servers, and checks what came to them.

    `servers` gives a table: a name of the page -> what is written in its place.
    """

    packages: tuple[str, ...] = ()
    files: Files | None = None
    servers: Prepare = lambda _: nullcontext({})


def calibrated(folder: Path) -> None:
    run_command("mtclar-stream calibrate --source video.mp4 --labels labels.csv --out anna.mtclar", folder)


def for_label(folder: Path) -> None:
    as_images(folder / "video.mp4", folder / "images")


def for_corpus(folder: Path) -> None:
    for name in ("a", "b"):
        shutil.copyfile(folder / "video.mp4", folder / f"{name}.mp4")
        shutil.copyfile(folder / "labels.csv", folder / f"{name}.csv")
    (folder / "manifest.csv").write_text("video,support,out\na.mp4,a.csv,out/a.csv\nb.mp4,b.csv,out/b.csv\n")


def for_analyse(folder: Path) -> None:
    """Short recordings of the person of the clip, their support set, and the files that the page names."""
    calibrated(folder)
    (folder / "videos").mkdir()
    for name in ("trial1.mp4", "trial2.mp4", "videos/a.mp4", "b.mp4"):
        beginning(demo_clip.clip_path(), folder / name, seconds=3.0)
    as_images(folder / "b.mp4", folder / "images")
    (folder / "manifest.csv").write_text("video,support\nb.mp4,anna.mtclar\n")
    (folder / "trials.csv").write_text("name,start,end\nrest,0,1\nfilm,1,2.5\n")


def for_columns(folder: Path) -> None:
    run_command("mtclar-stream label video.mp4 --support labels.csv --out out.csv", folder)


def for_sources(folder: Path) -> None:
    beginning(demo_clip.clip_path(), folder / "clip.mp4", seconds=2.0)
    as_images(folder / "clip.mp4", folder / "pictures")


def for_recordings(folder: Path) -> None:
    """A recording of the name that the page has."""
    calibrated(folder)
    run_command(  # as if live: a recording keeps the times of the computing
        "mtclar-stream run --source video.mp4 --freshness paced --support anna.mtclar --record made --port 0 --no-live",
        folder,
    )
    (made,) = (folder / "made").iterdir()
    (folder / "recordings").mkdir()
    made.rename(folder / "recordings" / "2026-11-29T10-15-00Z")


def for_training(folder: Path) -> None:
    """Data sets in miniature, and the bundled network as the one before the run."""
    ferplus_folder.write(folder / "FERPLUS", 160)
    real_people_file.write(folder / "people_crops.npz")
    shutil.copyfile(ROOT / "train" / "checkpoints" / "mtclar.pt", folder / "before.pt")


def for_overlay(folder: Path) -> None:
    calibrated(folder)
    with_token(folder)


def with_token(folder: Path) -> None:
    token = folder / "token.txt"
    token.write_text("a-token-of-the-tests\n")
    token.chmod(0o600)


def for_fleet(folder: Path) -> None:
    """The page's cameras with generated pictures, a token, and a support set with its passphrase."""
    with_token(folder)
    calibrated(folder)
    passphrase = folder / "passphrase.txt"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)
    (folder / "anna.mtclar").rename(folder / "plain.mtclar")
    run_command(
        "mtclar-stream support encrypt plain.mtclar --out anna.mtclar --passphrase-file passphrase.txt",
        folder,
    )
    cameras = (
        f'[cameras.{name}]\nsource = "synthetic:320x240@10"\n' for name in ("ward-4-bed-1", "entrance")
    )
    (folder / "fleet.toml").write_text("\n".join(cameras))


@contextmanager
def sinks(folder: Path) -> Iterator[Mapping[str, str]]:
    """A broker and a bus, to which values must come."""
    with (
        mosquitto(folder) as broker,
        subscriber(broker) as received,
        nats_server(folder) as bus,
        listener(bus) as heard,
    ):
        yield {"mqtt://broker": f"mqtt://127.0.0.1:{broker.port}", "nats://bus.example": bus.url}
        assert any(topic.startswith("mtclar/video/face/") for topic, _ in received)
        assert any(one.subject.endswith(".affect") for one in heard)


@contextmanager
def shorter(_: Path) -> Iterator[Mapping[str, str]]:
    """A start that the recording reaches."""
    yield {"--start 12:30": "--start 0:02"}


@contextmanager
def fleet(folder: Path) -> Iterator[Mapping[str, str]]:
    """Three servers of NATS as one bus."""
    with nats_cluster(folder) as cluster:
        places = [f"127.0.0.1:{server.port}" for server in cluster]
        yield {
            "bus1,bus2,bus3?replicas=3": f"{','.join(places)}?replicas=3&history=5m",
            "nats://bus1": f"nats://{places[0]}",
            "nats://bus": f"nats://{places[0]}",
            "rtsp://camera-7": "synthetic:320x240@10",
            "record /data": "record data",
        }


@contextmanager
def server(_: Path) -> Iterator[Mapping[str, str]]:
    """A server that sends values, at the address of the page."""
    with ServerProcess() as one:
        yield {"127.0.0.1:8765": f"127.0.0.1:{one.port}"}


FIGURES = ("pandas", "matplotlib")
PAGES = {
    "../README.md": Needs(servers=server),
    "tutorial.md": Needs(FIGURES),
    "analysis/analyse.md": Needs((*FIGURES, "pyarrow"), for_analyse),
    "analysis/corpus.md": Needs(files=for_corpus),
    "analysis/label.md": Needs(files=for_label),
    "development/training.md": Needs(("torch", "numba"), for_training),
    "live/calibrate.md": Needs(),
    "live/camera.md": Needs(),
    "live/clients.md": Needs(("pythonosc",), for_overlay, server),
    "live/lsl-with-eeg.md": Needs(("pylsl",)),
    "live/phone.md": Needs(),
    "live/recordings.md": Needs(("pyarrow", "pandas"), for_recordings, shorter),
    "live/several-people.md": Needs(),
    "live/sinks.md": Needs(("pylsl", "pythonosc", "paho", "nats"), calibrated, sinks),
    "live/sources.md": Needs(files=for_sources),
    "live/studio.md": Needs(("segno", "pyarrow")),
    "protocol/README.md": Needs(servers=server),
    "reference/columns.md": Needs(("pandas",), for_columns),
    "reference/versions.md": Needs(),
    "server/fleet.md": Needs(("nats", "nkeys", "cryptography", "pyarrow"), for_fleet, fleet),
    "server/gpu.md": Needs(),
    "server/operation.md": Needs(),
    "server/reverse-proxy.md": Needs(files=with_token),
}
"""Pages whose blocks are run here, one after the other in a folder of their own."""

NOT_RUN = {
    "explanation/accuracy.md",
    "explanation/faces.md",
    "server/reliability.md",
}
"""Pages of which no block can be run; each block says why."""

ELSEWHERE = {
    "analysis/tables.md": "tests/packaging/test_docs.py",
    "analysis/study.md": "tests/examples/test_study.py",
    "development/extending.md": "tests/packaging/test_extending.py",
    "development/site.md": "tests/packaging/test_site.py",
}
"""Pages whose blocks a test of their own runs."""
