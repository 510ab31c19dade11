"""Fuzzing by the clock: hypothesis draws inputs until the time is over; good input is damaged in every way."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from support.media.calibration_faces import taken
from support.media.video_clips import make_clip
from support.pipeline_parts import make_message
from support.recordings import recording

from mtclar.engine.errors import MtclarError

Fuzz = Callable[[st.SearchStrategy[Any], Callable[[Any], object]], int]

BATCH = 100  # examples between two readings of the clock
GRACE_S = 120.0

RUN = settings(
    max_examples=BATCH,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """`fuzz(inputs, try_one)`: tries inputs until the time is over and returns how many. A failing one is shrunk."""
    seconds: float = request.config.getoption("--fuzz-seconds")

    def run(inputs: st.SearchStrategy[Any], try_one: Callable[[Any], object]) -> int:
        until_s = time.monotonic() + seconds
        tried = 0
        while tried == 0 or time.monotonic() < until_s:

            @seed(tried)
            @RUN
            @given(inputs)
            def batch(one: Any) -> None:
                nonlocal tried
                tried += 1
                try_one(one)

            batch()
        return tried

    return run


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seconds: float = config.getoption("--fuzz-seconds")
    for item in items:
        if item.path.parent.name == "fuzz":
            item.add_marker(pytest.mark.fuzz)
            item.add_marker(pytest.mark.timeout(seconds + GRACE_S))


def is_readable(error: MtclarError) -> None:
    """An error must have a text that can be printed."""
    assert error.what.strip()
    error.what.encode()  # it will be printed


INTERESTING = (
    b"",
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"0",
    b"-1",
    b"1e999",
    b'"',
    b"\n",
    b"[" * 50,
)


def damaged(samples: Sequence[bytes], most: int = 12) -> st.SearchStrategy[bytes]:
    """One of the samples with some bytes changed, put in, taken out, repeated or cut off."""
    places = st.floats(0, 1, exclude_max=True)
    change = st.one_of(
        st.tuples(st.just("set"), places, st.integers(0, 255)),
        st.tuples(st.just("flip"), places, st.integers(0, 7)),
        st.tuples(st.just("insert"), places, st.sampled_from(INTERESTING) | st.binary(max_size=8)),
        st.tuples(st.just("delete"), places, st.integers(1, 64)),
        st.tuples(st.just("repeat"), places, st.integers(1, 64)),
        st.tuples(st.just("cut"), places, st.none()),
    )
    return st.builds(_change, st.sampled_from(list(samples)), st.lists(change, min_size=1, max_size=most))


def _change(sample: bytes, changes: Sequence[tuple[str, float, Any]]) -> bytes:
    data = bytearray(sample)
    for kind, place, value in changes:
        if not data:
            break
        at = int(place * len(data))
        if kind == "set":
            data[at] = value
        elif kind == "flip":
            data[at] ^= 1 << value
        elif kind == "insert":
            data[at:at] = value
        elif kind == "delete":
            del data[at : at + value]
        elif kind == "repeat":
            data[at:at] = data[at : at + value]
        else:
            del data[at:]
    return bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(), max_size=12), inner, max_size=5)
    ),
    max_leaves=12,
)
"""Any JSON, with lone surrogates, NaN and infinity (Python's json reads and writes them)."""
