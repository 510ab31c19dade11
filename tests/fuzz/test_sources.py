"""What someone may write as --source: opened, or refused in words; nothing is connected to."""

from hypothesis import assume
from hypothesis import strategies as st

from mtclar.engine.errors import MtclarError
from mtclar.stream.sources import open_source

from .conftest import Fuzz, is_readable

STARTS = st.sampled_from(
    [
        "",
        "webcam",
        "webcam:",
        "webcam:0?",
        "/dev/video",
        "rtsp://",
        "rtsps://cam/",
        "rtsp://cam/#",
        "http://cam/",
        "rtmps://cam/",
        "srt://",
        "-",
        "pipe:",
        "/dev/v4l/by-id/",
        "synthetic:",
        "synthetic?",
        "demo",
        "browser",
        "file://",
        "/tmp/",
        "~",
        "~nobody/",
    ]
)
PARTS = st.sampled_from(
    [
        "640x480",
        "@30",
        "?faces=",
        "size=",
        "&fps=",
        "format=MJPG",
        "?rotate=90",
        "&rotate=",
        "flip=h",
        "&stream=1",
        "deinterlace=1",
        "transport=udp",
        "&verify=no",
        "ca=",
        "user:pw@",
        "[::1]",
        ":554",
        "cam/live",
        "#",
        "?",
        "%00",
        "\x00",
        "0",
        "-1",
        "1e9",
        "99999999999",
    ]
)


def test_any_source(fuzz: Fuzz) -> None:
    def open_it(spec: str) -> None:
        assume(len(spec) < 4096)
        try:
            open_source(spec).close()
        except MtclarError as error:
            is_readable(error)

    text = st.text(st.characters(), max_size=30)
    assert fuzz(
        st.builds("{}{}{}".format, STARTS, st.lists(PARTS | text, max_size=4).map("".join), text), open_it
    )
