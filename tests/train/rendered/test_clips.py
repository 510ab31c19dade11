"""Clips of rendered people: scripts, encoding, and the bundled demo clip."""

import csv

import av
import numpy as np
import pytest

pytest.importorskip("numba", reason="the [train] extra is not installed")

from mtclar.stream import demo_clip
from mtclar.train.rendered import demo
from mtclar.train.rendered.clips import (
    Hold,
    LitAt,
    Script,
    Turn,
    encode_h264,
    light_at,
    random_script,
    render_clip,
    view_at,
    write_labels,
)
from mtclar.train.rendered.drawing.renderer import Light
from mtclar.train.rendered.face_crop import FaceCropper
from mtclar.train.rendered.person.idle import glances, talking
from mtclar.train.rendered.splits import DEMO

SIZE, FPS = (160, 120), 25
SCRIPT = Script(0.4, [Hold(0.0, 0.1), Hold(0.3, 0.4, {"happy": 1.0})], blinks=(0.05,), talks=((0.3, 0.4),))
GREY = np.full((4, 4, 3), 0.3, np.float32)


@pytest.fixture(scope="module")
def frames(person):
    return list(render_clip(person, SCRIPT, SIZE, FPS, background=GREY, span=3.2, texture_side=256))


def rows(path):
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_script_changes_smoothly_between_holds():
    assert SCRIPT.affect(0.05) == (0, 0)
    assert SCRIPT.affect(0.2) == pytest.approx((0.4, 0.225))
    assert SCRIPT.affect(0.35) == pytest.approx((0.8, 0.45))
    assert SCRIPT.affect(9.0) == pytest.approx((0.8, 0.45)), "the last one stays"
    assert not SCRIPT.held(0.05), "a blink"
    assert not SCRIPT.held(0.2), "a change"
    assert not SCRIPT.held(0.35), "talking"
    assert Script(1.0, [Hold(0.0, 1.0)]).held(0.5)


def test_head_and_light_change_smoothly():
    bright, dark = Light(), Light(ambient=0.2)
    script = Script(
        2.0,
        [Hold(0, 2)],
        turns=(Turn(0, yaw=0.2), Turn(2, yaw=-0.2)),
        lights=(LitAt(0, bright), LitAt(2, dark)),
        sway=0,
    )
    assert [view_at(script, t, np.zeros(6), 3.0).yaw for t in (0, 1, 2, 3)] == pytest.approx(
        [0.2, 0, -0.2, -0.2]
    )
    middle = light_at(script, 1.0)
    assert middle.ambient == pytest.approx((bright.ambient + 0.2) / 2)
    assert np.linalg.norm(middle.towards, axis=1) == pytest.approx(np.ones(3))


def test_frames_have_labels_and_a_face(frames, person):
    assert [frame.time_s for frame in frames] == pytest.approx([n / FPS for n in range(10)])
    assert [(f.valence, f.arousal) for f in frames] == [SCRIPT.affect(f.time_s) for f in frames]
    with FaceCropper() as cropper:
        assert all(cropper(frame.image) is not None for frame in frames)
    again = next(render_clip(person, SCRIPT, SIZE, FPS, background=GREY, span=3.2, texture_side=256))
    assert np.array_equal(again.image, frames[0].image)


def test_talking_stays_within_its_span_and_glances_cover_the_clip():
    assert talking([(1.0, 2.0)], 0.5) == {}
    assert max(talking([(1.0, 2.0)], t)["jawOpen"] for t in np.linspace(1.1, 1.9, 20)) > 0.05
    jumps = glances(np.random.default_rng(0), 10.0)
    assert jumps[0][0] == 0
    assert jumps[-1][0] >= 10
    assert np.all(np.diff([time_s for time_s, _, _ in jumps]) > 0)


def test_random_scripts_are_in_order_and_reach_the_end():
    script = random_script(np.random.default_rng(3), 8.0)
    spans = [t for hold in script.holds for t in (hold.start_s, hold.end_s)]
    assert spans == sorted(spans)
    assert spans[-1] >= 8
    affect = np.array([script.affect(t) for t in np.linspace(0, 8, 50)])
    assert np.abs(affect).max() <= 1
    assert affect.std() > 0.1


def test_encoding_keeps_frames_times_and_pictures(frames, tmp_path):
    path = tmp_path / "clip.mp4"
    encode_h264((frame.image for frame in frames), path, SIZE, FPS)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", *SIZE)
        decoded = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
    assert [time_s for time_s, _ in decoded] == pytest.approx([frame.time_s for frame in frames])
    for (_, picture), frame in zip(decoded, frames, strict=True):
        assert np.abs(picture.astype(int) - frame.image).mean() < 6


def test_labels_are_written_as_labels_csv(tmp_path):
    write_labels([(0.04, -0.65, 0.8)], tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "time,valence,arousal\n0.040,-0.6500,0.8000\n"


def test_demo_person_is_not_a_training_person():
    assert demo.demo_person().person_id in DEMO


def test_bundled_clip_matches_its_script():
    script = rows(demo_clip.script_path())
    with av.open(str(demo_clip.clip_path())) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (*demo.SIZE, demo.FPS)
        assert stream.frames == len(script) == demo.demo_script().seconds * demo.FPS
    assert demo_clip.clip_path().stat().st_size <= 3e6
    for row in script[::20]:
        expected = demo.demo_script().affect(row["time"])
        assert (row["valence"], row["arousal"]) == pytest.approx(expected, abs=1e-4)


def test_the_calibration_labels_are_steady_frames_of_the_first_seconds():
    labels, script = rows(demo_clip.calibration_path()), demo.demo_script()
    assert 12 <= len(labels) <= 16
    assert max(label["time"] for label in labels) < 10
    assert all(script.held(label["time"]) for label in labels)
    assert [label["time"] for label in labels] == pytest.approx(demo.calibration_times(script))
    assert len({(label["valence"], label["arousal"]) for label in labels}) == 5


def test_the_engine_finds_the_face_of_the_bundled_clip():
    with av.open(str(demo_clip.clip_path())) as container, FaceCropper() as cropper:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 100 == 0:
                assert cropper(frame.to_ndarray(format="bgr24")) is not None, f"frame {number}"
