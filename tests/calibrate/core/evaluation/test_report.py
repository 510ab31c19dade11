"""The leave-one-out report: its predictions, and its advice on missing labels."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.calibrate.core.evaluation.report import group_labels, make_report, predict_left_out, quadrant_of
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

NEUTRAL, HAPPY, SAD, ANGRY = (0.0, 0.0), (0.67, 0.08), (-0.63, -0.27), (-0.43, 0.55)


def make_set(labels: list[tuple[float, float]], absolute: NDArray[np.float32] | None = None) -> SupportSet:
    """A support set whose embeddings are one direction for each label, with a little noise."""
    rng = np.random.default_rng(0)
    values = np.array(labels, np.float32)
    directions = {label: rng.normal(size=16) for label in dict.fromkeys(labels)}
    return SupportSet(
        embeddings=np.array([directions[label] + 0.05 * rng.normal(size=16) for label in labels], np.float32),
        absolute=values + 0.2 if absolute is None else absolute,
        labels=values,
        quality=np.ones(len(values), np.float32),
        times_s=np.arange(len(values), dtype=np.float64),
        subject="test",
        source="",
        created="2026-01-01T00:00:00+00:00",
        encoder=EncoderIdentity("test", "0" * 64, FRAMING),
    )


def test_frames_with_the_same_label_are_left_out_together() -> None:
    """With only its twins left out alone a set of two labels would look perfect; the paper's rule shows it plainly."""
    support = make_set([NEUTRAL] * 3 + [HAPPY] * 3)
    groups = group_labels(support.labels)
    assert groups.tolist() == [0, 0, 0, 1, 1, 1]
    predicted = predict_left_out(support, groups, rule="nearest")
    assert predicted == pytest.approx(np.array([HAPPY] * 3 + [NEUTRAL] * 3))


def test_groups_are_numbered_in_order_of_appearance_and_may_be_scattered() -> None:
    labels = np.array([HAPPY, NEUTRAL, HAPPY, SAD, NEUTRAL], np.float32)
    assert group_labels(labels).tolist() == [0, 1, 0, 2, 1]


def test_a_consistent_error_of_the_absolute_head_is_seen_and_corrected() -> None:
    report = make_report(make_set([NEUTRAL] * 3 + [HAPPY] * 3 + [SAD] * 3 + [ANGRY] * 3))
    assert report.absolute == pytest.approx((0.2, 0.2), abs=1e-3)
    assert report.calibrated[0] < report.absolute[0]
    assert report.calibrated[1] < report.absolute[1]
    assert report.frames == 12
    assert [(point.valence, point.frames) for point in report.labels] == [
        (pytest.approx(label[0]), 3) for label in (NEUTRAL, HAPPY, SAD, ANGRY)
    ]
    assert report.conclusive


def test_one_label_alone_is_inconclusive_and_says_what_to_add() -> None:
    report = make_report(make_set([NEUTRAL] * 10))
    assert not report.conclusive
    assert report.calibrated == pytest.approx(report.absolute)
    assert len(report.advice) == 4
    assert all(text.startswith("add ") for text in report.advice)
    assert not any("neutral" in text for text in report.advice)


def test_a_label_that_the_others_contradict_is_named() -> None:
    labels = [NEUTRAL, HAPPY, SAD, ANGRY]
    absolute = np.array(labels, np.float32)
    absolute[1] = (-0.6, 0.1)  # labelled happy, seen as sad
    report = make_report(make_set(labels, absolute))
    assert any("valence +0.67" in text and "check its label" in text for text in report.advice)


@pytest.mark.parametrize(
    ("label", "region"),
    [
        (NEUTRAL, "neutral"),
        ((0.2, 0.1), "neutral"),
        (HAPPY, "pleasant, activated"),
        (SAD, "unpleasant, deactivated"),
        (ANGRY, "unpleasant, activated"),
        ((0.5, -0.5), "pleasant, deactivated"),
    ],
)
def test_regions_of_the_affect_plane(label: tuple[float, float], region: str) -> None:
    assert quadrant_of(*label) == region


def test_only_labels_that_do_not_fit_give_a_warning() -> None:
    fitting = [NEUTRAL] * 3 + [HAPPY] * 3 + [SAD] * 3 + [ANGRY] * 3
    assert make_report(make_set(fitting)).warning == ""
    # The encoder is right, and the labels are all over the place.
    own = np.array(fitting, np.float32)
    worse = make_report(make_set([HAPPY] * 3 + [SAD] * 3 + [ANGRY] * 3 + [NEUTRAL] * 3, own))
    assert "is no better than the uncalibrated error" in worse.warning
    assert worse.contradiction is None


def test_an_error_a_little_above_the_uncalibrated_one_counts_as_equal() -> None:
    report = make_report(make_set([NEUTRAL] * 3 + [HAPPY] * 3 + [SAD] * 3))
    assert replace(report, calibrated=(0.32, 0.32), absolute=(0.3, 0.3)).warning == ""
    assert replace(report, calibrated=(0.34, 0.34), absolute=(0.3, 0.3)).warning != ""


def test_two_labels_far_apart_on_one_face_contradict_each_other() -> None:
    support = make_set([SAD] * 3 + [HAPPY] * 3)
    same = np.repeat(support.embeddings[:1], 6, axis=0)
    warning = make_report(
        replace(support, embeddings=same)
    ).warning  # two labels are too few to compare errors
    assert warning.startswith("labels contradict each other: faces that look the same are at V ")
    assert "V +0.67, A +0.08" in warning
    near = replace(support, embeddings=same, labels=support.labels / 4)
    assert make_report(near).warning == ""
