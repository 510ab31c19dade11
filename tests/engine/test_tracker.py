"""The tracker: states of a face, who gets which support set, time, and the whole engine on a real photograph."""

import doctest
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

import mtclar.engine
from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Affect, FaceCrop, Faces, Frame, HeldFace
from mtclar.engine.errors import SupportSetError, UsageError
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker

FPS = 25
SMALL = replace(FRAMING, size=8)


def crop(
    track_id: int, *, left: float = 100.0, side: float = 100.0, grey: int = 0, blurred: bool = False
) -> FaceCrop:
    """A face that passes the gates (or not), whose first quadrant is `grey` brighter than the others."""
    image = np.full((8, 8), 100, np.uint8)
    image[:4, :4] += grey
    return FaceCrop(
        image=image,
        box=(left, 100.0, left + side, 100.0 + side),
        landmarks=np.zeros((468, 3), np.float32),
        pose_deg=(0.0, 0.0, 0.0),
        sharpness=0.0 if blurred else 1e4,
        brightness=120.0,
        track_id=track_id,
        score=1.0,
    )


class Script:
    """A face tracker that answers from a script: one Faces for each frame, the last one again and again."""

    framing = SMALL

    def __init__(self, *scenes: Faces) -> None:
        self._scenes = list(scenes)

    def __call__(self, _frame: Frame) -> Faces:
        return self._scenes.pop(0) if len(self._scenes) > 1 else self._scenes[0]

    def reset(self) -> None:
        pass


def support_set(encoder: Encoder, subject: str, shift: float, sha256: str) -> SupportSet:
    """Twelve frames whose labels are the absolute head's plus `shift`."""
    images = np.stack([crop(0, grey=grey).image for grey in range(0, 120, 10)])
    what = encoder(images)
    return SupportSet.from_encoded(
        what,
        what.absolute + shift,
        subject=subject,
        encoder=EncoderIdentity("tiny", sha256, SMALL),
    )


@pytest.fixture
def supports(tiny_encoder: Encoder, tiny_card) -> list[SupportSet]:
    return [
        support_set(tiny_encoder, name, shift, tiny_card.sha256)
        for name, shift in (("anna", 0.3), ("ben", -0.3))
    ]


@pytest.fixture
def make_tracker(tiny_encoder: Encoder, tiny_pair: InferenceSession, tiny_card):
    def make(*scenes: Faces, supports: Sequence[SupportSet] = (), **options) -> Tracker:
        return Tracker(Script(*scenes), tiny_encoder, tiny_pair, supports, model=tiny_card, **options)

    return make


def play(tracker: Tracker, frames: int, start: int = 0) -> Iterator[tuple[Affect, ...]]:
    image = np.zeros((4, 4, 3), np.uint8)
    for seq in range(start, start + frames):
        t_s = seq / FPS
        yield tracker(Frame(image, seq, t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="s"))


def test_uncalibrated_value_is_the_absolute_one(make_tracker) -> None:
    *_, (affect,) = play(make_tracker(Faces((crop(7, grey=80),))), 3)
    assert (affect.track_id, affect.state, affect.subject, affect.calibrated) == (7, "ok", None, False)
    assert affect.valence == pytest.approx(60 / 255)
    assert affect.raw is not None
    assert affect.raw.similarity.shape == (0,)
    assert affect.pose_deg == (0.0, 0.0, 0.0)


def test_a_support_set_corrects_its_face(make_tracker, supports) -> None:
    *_, (affect,) = play(make_tracker(Faces((crop(0, grey=80),)), supports=supports[:1]), 3)
    assert affect.calibrated
    assert affect.subject == "anna"
    assert affect.valence == pytest.approx(60 / 255 + 0.3, abs=0.05)
    assert affect.raw.in_support
    assert affect.raw.similarity.shape == (12,)


def test_sequence_of_states_of_one_face(make_tracker) -> None:
    face, box = crop(0, grey=80), (1.0, 2.0, 3.0, 4.0)
    tracker = make_tracker(
        Faces((face,)),
        Faces((crop(0, grey=20, blurred=True),)),
        Faces((), held=(HeldFace(0, box, 0.04),)),
        Faces((), held=(HeldFace(0, box, 0.08),)),
        Faces((), lost=(HeldFace(0, box, 0.12),)),
        Faces(()),
    )
    ok, low, held, still_held, lost, gone = play(tracker, 6)
    seen = [ok[0], low[0], held[0], still_held[0], lost[0]]
    assert gone == ()
    assert [affect.state for affect in seen] == ["ok", "low_quality", "held", "held", "lost"]
    assert [affect.raw is None for affect in seen] == [False, True, True, True, True]
    assert {affect.valence for affect in seen} == {ok[0].valence}
    assert sorted(affect.valence_sd for affect in seen) == [affect.valence_sd for affect in seen]
    assert seen[-1].valence_sd > seen[0].valence_sd
    assert low[0].quality_issues
    assert not ok[0].quality_issues
    assert held[0].pose_deg is None
    assert held[0].box == box


def test_a_blink_does_not_lower_arousal_and_its_sd_grows(make_tracker, tiny_encoder) -> None:
    open_eyes, blinking = crop(0, grey=20), replace(crop(0, grey=80), eye_opening=0.5)
    asleep = crop(0, grey=80)
    scenes = [Faces((face,)) for face in (open_eyes, blinking, blinking, asleep)]
    before, first, second, after = (
        faces[0] for faces in play(make_tracker(*scenes, smoother="none"), len(scenes))
    )
    low = tiny_encoder(asleep.image[None]).absolute[0]
    assert low[1] < before.arousal
    assert first.arousal == second.arousal == before.arousal
    assert before.arousal_sd < first.arousal_sd < second.arousal_sd
    assert first.raw.arousal == pytest.approx(low[1])  # what was measured is not hidden
    assert first.valence == after.valence == pytest.approx(low[0])
    assert after.arousal == pytest.approx(low[1])


def test_arousal_that_rises_in_a_blink_is_kept(make_tracker) -> None:
    scenes = [Faces((face,)) for face in (crop(0, grey=80), replace(crop(0, grey=20), eye_opening=0.5))]
    before, blinking = (faces[0] for faces in play(make_tracker(*scenes, smoother="none"), 2))
    assert blinking.arousal == blinking.raw.arousal > before.arousal


def test_caveats_say_why_a_value_is_less_certain(make_tracker) -> None:
    clear, talking = crop(0, grey=20), replace(crop(0, grey=20), talking=True)
    scenes = [Faces((face,)) for face in (clear, talking, replace(talking, eye_opening=0.5), clear)]
    seen = [faces[0].caveats for faces in play(make_tracker(*scenes), len(scenes))]
    assert seen == [(), ("talking",), ("blink", "talking"), ()]


def said(grey: int, opening: float, *, talking: bool = True) -> FaceCrop:
    """A face whose lips are so far apart, in distances of its eyes."""
    return replace(crop(0, grey=grey), mouth_opening=opening, talking=talking)


def test_an_opened_mouth_of_a_talk_does_not_raise_arousal_within_a_syllable(
    make_tracker, tiny_encoder
) -> None:
    closed, opened = said(80, 0.0), said(20, 0.3)
    low, high = (tiny_encoder(face.image[None]).absolute[0][1] for face in (closed, opened))
    assert low < high
    count = 40  # of two seconds
    scenes = [Faces((face,)) for face in (closed, opened, opened, *[opened] * count)]
    faces = [one[0] for one in play(make_tracker(*scenes, smoother="none"), len(scenes))]
    assert [face.arousal for face in faces[:3]] == pytest.approx([low] * 3)
    assert faces[1].arousal_sd > faces[0].arousal_sd + 0.01
    assert faces[1].raw.arousal == pytest.approx(high)  # what was measured is not hidden
    assert faces[-1].arousal == pytest.approx(high)  # an expression that stays counts
    assert faces[1].valence == faces[1].raw.valence


@pytest.mark.parametrize("after", [said(20, 0.3, talking=False), said(20, 0.02)])
def test_arousal_that_no_talking_mouth_raises_counts_at_once(make_tracker, after: FaceCrop) -> None:
    scenes = [Faces((face,)) for face in (said(80, 0.0, talking=after.talking), after)]
    before, now = (faces[0] for faces in play(make_tracker(*scenes, smoother="none"), 2))
    assert now.arousal == now.raw.arousal > before.arousal


def test_a_face_that_was_never_good_has_no_value(make_tracker) -> None:
    (affect,) = next(play(make_tracker(Faces((crop(0, blurred=True),))), 1))
    assert affect.state == "low_quality"
    assert affect.valence is affect.arousal is affect.valence_sd is affect.raw is None


def test_order_of_good_and_bad_faces(make_tracker) -> None:
    scene = Faces((crop(3, blurred=True), crop(1, grey=80), crop(2, grey=20)))
    affects = next(play(make_tracker(scene), 1))
    assert [(affect.track_id, affect.state) for affect in affects] == [
        (3, "low_quality"),
        (1, "ok"),
        (2, "ok"),
    ]
    assert affects[1].raw.valence == pytest.approx(60 / 255)
    assert affects[2].raw.valence == pytest.approx(15 / 255)


def test_one_support_set_goes_to_the_largest_face(make_tracker, supports) -> None:
    small, large = crop(0, side=50), crop(1, left=300, side=90)
    tracker = make_tracker(
        Faces((small, large)),
        Faces((small,), lost=(HeldFace(1, large.box, 1.1),)),
        Faces((small,)),  # the bystander stays without
        Faces((small, replace(large, track_id=2))),
        supports=supports[:1],
    )
    subjects = [{affect.track_id: affect.subject for affect in affects} for affects in play(tracker, 4)]
    assert subjects == [{0: None, 1: "anna"}, {0: None, 1: "anna"}, {0: None}, {0: None, 2: "anna"}]


def test_several_support_sets_go_from_left_to_right(make_tracker, supports) -> None:
    scene = Faces((crop(0, left=500), crop(1, left=10), crop(2, left=250)))
    affects = next(play(make_tracker(scene, supports=supports), 1))
    assert {affect.track_id: affect.subject for affect in affects} == {1: "anna", 2: "ben", 0: None}


def test_assign_swaps_two_people(make_tracker, supports) -> None:
    tracker = make_tracker(Faces((crop(0, left=10), crop(1, left=300))), supports=supports)
    next(play(tracker, 1))
    tracker.assign(0, "ben")
    assert [affect.subject for affect in next(play(tracker, 1, start=1))] == ["ben", "anna"]
    tracker.assign(0, None)
    assert [affect.subject for affect in next(play(tracker, 1, start=2))] == [None, "anna"]
    with pytest.raises(UsageError, match="no face 9"):
        tracker.assign(9, "anna")
    with pytest.raises(UsageError, match="no support set of 'carl'"):
        tracker.assign(0, "carl")


def test_drift_is_reported_while_measured_and_while_held(make_tracker, supports) -> None:
    bright = np.tile(np.array([[300, 1e4, 0, 0]], np.float32), (12, 1))
    seen, held = Faces((crop(0, grey=80),)), Faces((), held=(HeldFace(0, (0, 0, 1, 1), 0.1),))
    tracker = make_tracker(*[seen] * 250, held, supports=[replace(supports[0], conditions=bright)])
    answers = [affect.drift for (affect,) in play(tracker, 251)]
    assert answers[0] == ()
    assert answers[249] == answers[250] == ("darker",)
    assert [affect.drift for (affect,) in play(make_tracker(seen), 2)] == [None, None]


def test_replaced_support_applies_from_the_next_frame(make_tracker, supports) -> None:
    bright = np.tile(np.array([[300, 1e4, 0, 0]], np.float32), (12, 1))
    seen = Faces((crop(0, grey=80),))
    tracker = make_tracker(seen, supports=[replace(supports[0], conditions=bright)])
    assert [affect.drift for (affect,) in play(tracker, 250)][-1] == ("darker",)
    tracker.replace_support(replace(supports[0], labels=supports[0].labels - 0.6))
    ((affect,),) = play(tracker, 1, start=250)
    assert (affect.subject, affect.drift) == ("anna", ())
    tracker.replace_support(supports[1])  # a new subject's goes to a face that has none, and this one has
    assert next(play(tracker, 1, start=251))[0].subject == "anna"
    assert [support.subject for support in tracker.supports] == ["anna", "ben"]


def test_a_replaced_support_set_keeps_its_order(make_tracker, supports) -> None:
    two = Faces((crop(0, left=300), crop(1, left=10)))
    tracker = make_tracker(Faces(()), two, supports=supports)
    tracker.replace_support(replace(supports[0], labels=supports[0].labels - 0.6))
    *_, affects = play(tracker, 2)
    assert {affect.track_id: affect.subject for affect in affects} == {1: "anna", 0: "ben"}


def test_reset_forgets_faces(make_tracker, supports) -> None:
    tracker = make_tracker(Faces((crop(0, grey=80),)), Faces((crop(0, blurred=True),)), supports=supports[:1])
    next(play(tracker, 1))
    tracker.reset()
    (affect,) = next(play(tracker, 1))
    assert affect.valence is None
    assert affect.subject == "anna"


def test_values_are_smoothed_and_raw_ones_are_not(make_tracker) -> None:
    scenes = [Faces((crop(0, grey=grey),)) for grey in (0, 0, 0, 0, 120)]
    *_, (affect,) = play(make_tracker(*scenes), 5)
    assert 0 < affect.valence < affect.raw.valence
    *_, (plain,) = play(make_tracker(*scenes, smoother="none"), 5)
    assert plain.valence == plain.raw.valence


def test_bad_options_are_refused_at_the_start(make_tracker, supports, tiny_encoder) -> None:
    nobody = Faces(())
    with pytest.raises(UsageError, match="smoother"):
        make_tracker(nobody, smoother="median")
    with pytest.raises(UsageError, match="rule"):
        make_tracker(nobody, rule="median")
    with pytest.raises(UsageError, match="same subject"):
        make_tracker(nobody, supports=[supports[0], supports[0]])
    with pytest.raises(SupportSetError, match="was made with the encoder"):
        make_tracker(nobody, supports=[support_set(tiny_encoder, "carl", 0.0, "f" * 64)])
    own, dim = supports[0].encoder, tiny_encoder.embedding_dim + 1
    wider = replace(supports[0], embeddings=np.zeros((12, dim)), encoder=replace(own, embedding_dim=dim))
    with pytest.raises(SupportSetError, match="this encoder gives"):
        make_tracker(nobody, supports=[wider])
    other = replace(own, framing=replace(SMALL, shift_up=0.2))
    with pytest.raises(SupportSetError, match="faces cut another way"):
        make_tracker(nobody, supports=[replace(supports[0], encoder=other)])


def test_the_example_of_the_engine_runs() -> None:
    failed, tried = doctest.testmod(mtclar.engine, optionflags=doctest.ELLIPSIS)
    assert (failed, tried) == (0, 5)


def test_an_image_with_its_time_is_as_good_as_a_frame(make_tracker, supports) -> None:
    scene, image = Faces((crop(0, grey=80),)), np.zeros((4, 4, 3), np.uint8)
    by_frame, by_image = (make_tracker(scene, supports=supports[:1]) for _ in range(2))
    for frame_affects, seq in zip(play(by_frame, 5), range(5), strict=True):
        (expected,), (affect,) = frame_affects, by_image(image, seq / FPS)
        assert (affect.valence, affect.arousal, affect.subject) == (
            expected.valence,
            expected.arousal,
            expected.subject,
        )


@pytest.mark.parametrize(
    ("image", "t_s", "match"),
    [
        (np.zeros((4, 4, 3), np.uint8), None, "needs its time"),
        (np.zeros((4, 4, 3), np.float32), 0.0, "not float32"),
        (np.zeros((4, 4, 4), np.uint8), 0.0, r"\[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), 0.0, r"\[0, 4, 3\]"),
    ],
)
def test_bad_images_are_refused(make_tracker, image: np.ndarray, t_s: float | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_tracker(Faces(()))(image, t_s)


def test_smoother_and_rule_of_ones_own(make_tracker, supports) -> None:
    class Last:
        """Remembers nothing."""

        def __call__(self, t_s, value, sd):  # noqa: ARG002
            return np.array([0.25, -0.25]), np.array(sd)

        def reset(self) -> None: ...

    class Halves:
        """Half of the absolute value, whatever the labels."""

        def __init__(self, support, params) -> None: ...

        def __call__(self, query):
            return query.absolute / 2, np.full(query.absolute.shape, 0.1)

    tracker = make_tracker(Faces((crop(0, grey=80),)), supports=supports[:1], smoother=Last, rule=Halves)
    (affect,) = tracker(np.zeros((4, 4, 3), np.uint8), 0.0)
    assert (affect.valence, affect.arousal) == (0.25, -0.25)
    assert affect.raw.valence == pytest.approx(affect.raw.absolute[0] / 2)
    assert affect.raw.valence_sd == pytest.approx(0.1)


def test_calibration_on_a_photograph(astronaut: np.ndarray) -> None:
    """The way of calibration and run: crops, encode, support set, tracker; on the bundled networks."""
    frame = Frame(astronaut, 0, t_capture_s=0.0, clock="file", pts_s=0.0, stream_id="photo")
    with Tracker.open() as tracker:
        faces = tracker.find(frame)
        encoded = tracker.encode(faces.crops)
        support = SupportSet.from_encoded(
            encoded[np.zeros(10, int)],
            np.tile([-0.6, 0.2], (10, 1)),
            subject="eileen",
            encoder=tracker.identity,
        )
    with Tracker.open([support]) as tracker:
        (affect,) = tracker(frame)
        assert tracker.backend
    assert affect.subject == "eileen"
    assert affect.valence == pytest.approx(-0.6, abs=0.15)
    assert affect.arousal == pytest.approx(0.2, abs=0.15)
    assert affect.raw.in_support
