"""Options behind a source: rotate, flip, deinterlace and stream, on files, folders, cameras and network addresses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.media.video_clips import picture

from mtclar.cli.files.calibration_target import open_frames
from mtclar.engine.errors import UsageError
from mtclar.label.scan.recording import open_recording
from mtclar.stream.sources import Source, open_source
from mtclar.stream.sources.options import UNCHANGED, PictureOptions, take_options

MakeClip = Callable[..., Path]
Image = NDArray[np.uint8]

CHANGES = {
    "rotate=90": lambda image: np.rot90(image, -1),
    "rotate=180": lambda image: np.rot90(image, 2),
    "rotate=270": lambda image: np.rot90(image, 1),
    "flip=h": lambda image: image[:, ::-1],
    "flip=v": lambda image: image[::-1],
    "flip=hv": lambda image: image[::-1, ::-1],
    "rotate=90&flip=h": lambda image: np.rot90(image, -1)[:, ::-1],
    "rotate=0&deinterlace=0": lambda image: image,
}


def first(source: Source) -> Image:
    return next(iter(source.frames())).image


@pytest.mark.parametrize("options", CHANGES)
def test_a_file_is_turned_and_flipped(make_clip: MakeClip, options: str) -> None:
    path = make_clip(size=(64, 48), frames=2)
    expected = CHANGES[options](first(open_source(str(path))))
    source = open_source(f"{path}?{options}")
    assert np.array_equal(first(source), expected)
    assert source.size == (expected.shape[1], expected.shape[0])
    assert (source.stream_id, source.label, source.files) == ("clip", "clip.mp4", (path,))
    (_, recorded), *_ = open_recording(Path(f"{path}?{options}")).images(np.ones(2, bool))
    assert np.array_equal(recorded, expected)  # type: ignore[arg-type]


def test_an_image_folder_is_turned(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture(64, 48, 0))
    with open_frames(f"{tmp_path}?rotate=90", 10) as source:
        assert np.array_equal(first(source), np.rot90(picture(64, 48, 0), -1))
    with pytest.raises(UsageError, match="no option 'zoom'"), open_frames(f"{tmp_path}?zoom=2", 10):
        pass
    ((_, recorded),) = open_recording(Path(f"{tmp_path}?rotate=90"), 10).images(np.ones(1, bool))
    assert np.array_equal(recorded, np.rot90(picture(64, 48, 0), -1))  # type: ignore[arg-type]


def test_generated_pictures_keep_their_own_options() -> None:
    plain = first(open_source("synthetic:64x48?faces=0&frames=1"))
    assert np.array_equal(
        first(open_source("synthetic:64x48?faces=0&rotate=180&frames=1")), np.rot90(plain, 2)
    )


def test_deinterlacing_takes_one_field() -> None:
    early, late = picture(64, 49, 0), picture(64, 49, 4)
    woven = early.copy()
    woven[1::2] = late[1::2]
    image = PictureOptions(deinterlace=True)(woven)
    assert image.shape == woven.shape
    assert np.array_equal(image[::2], early[::2])
    assert np.abs(image.astype(int) - early)[:20].max() <= 1  # no trace of the later field
    assert np.array_equal(image[25, 30:], early[25, 30:])


def test_the_digest_of_a_recording_depends_on_its_options(make_clip: MakeClip) -> None:
    path = make_clip(frames=2)
    plain = open_recording(path).digest()
    assert open_recording(Path(f"{path}?rotate=0")).digest() == plain
    assert open_recording(Path(f"{path}?rotate=90")).digest() != plain


def test_a_name_with_a_question_mark_is_a_name(make_clip: MakeClip, tmp_path: Path) -> None:
    path = tmp_path / "who?rotate=90"
    make_clip(size=(64, 48), frames=1).rename(path)
    assert open_source(str(path)).size == (64, 48)
    assert open_source(f"{path}?rotate=90").size == (48, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("zoom=2", "no option 'zoom'"),
        ("rotate=45", "'rotate=45' is not an option"),
        ("flip=x", "'flip=x' is not an option"),
        ("rotate", "'rotate' is not an option"),
        ("stream=-1", "not the number of a video stream"),
        ("stream=", "not the number of a video stream"),
        ("rotate=90&zoom=2", "no option 'zoom'"),
        ("x", "no option 'x'"),
    ],
)
def test_unknown_options_are_refused(make_clip: MakeClip, options: str, message: str) -> None:
    path = make_clip(frames=1)
    for opened in (
        lambda: open_source(f"{path}?{options}"),
        lambda: open_recording(Path(f"{path}?{options}")),
    ):
        with pytest.raises(UsageError, match=message) as refused:
            opened()
        assert refused.value.hint


@pytest.mark.parametrize(
    ("address", "bare", "options"),
    [
        ("rtsp://h/live#rotate=90", "rtsp://h/live", PictureOptions(90)),
        ("rtsp://h/live?rotate=90&flip=h", "rtsp://h/live", PictureOptions(90, "h")),
        ("rtsp://h/live?ch=1&rotate=90&sub=0", "rtsp://h/live?ch=1&sub=0", PictureOptions(90)),
        ("rtsp://h/live?stream=1&flip=1", "rtsp://h/live?stream=1&flip=1", UNCHANGED),
        (
            "rtsp://h/l#transport=udp&flip=v&stream=1",
            "rtsp://h/l#transport=udp&stream=1",
            PictureOptions(0, "v"),
        ),
        ("rtsp://h/live#deinterlace=1", "rtsp://h/live", PictureOptions(deinterlace=True)),
    ],
)
def test_the_parameters_of_a_camera_stay_its_own(address: str, bare: str, options: PictureOptions) -> None:
    assert take_options(address, "network") == (bare, options)


@pytest.mark.parametrize("mark", ["?", "#"])
def test_a_network_camera_is_turned(rtsp_server: Any, mark: str) -> None:
    source = open_source(f"{rtsp_server.url}{mark}rotate=90")
    assert first(source).shape == (640, 480, 3)
    assert source.size == (480, 640)
    source.close()
