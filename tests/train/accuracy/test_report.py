"""The report: accuracy on the majority subset, JSON with the documented keys and without NaN, summary."""

import json

import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.train.accuracy import few_shot
from mtclar.train.accuracy.answers import Answers
from mtclar.train.accuracy.methods import Engine
from mtclar.train.accuracy.report import Report, classes_of
from mtclar.train.data.labelled import UNKNOWN

from . import synthetic


def predicted_answers(
    expressions: list[int], truth: list[int], majority: list[bool] | None = None
) -> Answers:
    count = len(truth)
    return Answers(
        encoded=Encoded(
            embedding=np.ones((count, 4), np.float32),
            absolute=np.zeros((count, 2), np.float32),
            expression=np.eye(8, dtype=np.float32)[expressions],
        ),
        va=np.zeros((count, 2), np.float32),
        expression=np.array(truth, np.int64),
        majority=None if majority is None else np.array(majority),
    )


def report(answers: Answers, shots: list[int]) -> Report:
    return Report(
        data="photos",
        split=None,
        card=models.card("encoder"),
        constants_encoder="0" * 64,
        backend="onnxruntime (CPU)",
        answers=answers,
        classes=classes_of(answers),
        shots=few_shot.score(answers, Engine(), shots, 2),
        seeds=2,
    )


def test_accuracy_on_majority_subset_and_all() -> None:
    classes = classes_of(predicted_answers([0, 1, 1, 2], [0, 1, 2, 3], [True, True, True, False]))
    assert classes is not None
    assert classes.accuracy == pytest.approx(2 / 3)
    assert classes.n == 3
    assert classes.accuracy_all == pytest.approx(2 / 4)
    assert classes.recall == {EXPRESSIONS[0]: (1, 1), EXPRESSIONS[1]: (1, 1), EXPRESSIONS[2]: (0, 1)}


def test_faces_without_a_known_expression_do_not_count() -> None:
    classes = classes_of(predicted_answers([0, 1, 5], [0, 2, UNKNOWN]))
    assert classes is not None
    assert (classes.accuracy, classes.n, classes.accuracy_all) == (0.5, 2, None)
    assert classes_of(predicted_answers([0], [UNKNOWN])) is None


def test_json_has_the_documented_keys_and_no_nan() -> None:
    answers = synthetic.answers([8, 3], no_face=4)
    content = json.loads(json.dumps(report(answers, [0, 5]).as_json(), allow_nan=False))
    assert (content["n"], content["no_face"], content["classes"]) == (11, 4, None)
    assert content["encoder_sha256"] == models.card("encoder").sha256
    assert (content["constants_encoder_sha256"], content["backend"]) == ("0" * 64, "onnxruntime (CPU)")
    assert set(content["shots"]) == {"0", "5"}
    assert set(content["shots"]["5"]) >= {"mtclar", "absolute", "nearest", "paper"}
    for figures in content["shots"]["5"].values():
        for dimension in ("valence", "arousal"):
            assert set(figures[dimension]) >= {"ccc", "pcc", "rmse", "sagr", "coverage"}
    assert content["subjects"]["5"] == {"used": 1, "left_out": 1, "queries": 6}
    constant = report(predicted_answers([0, 0], [0, 0]), [0]).as_json()
    assert constant["shots"]["0"]["absolute"]["valence"]["ccc"] is None
    assert constant["shots"]["0"]["absolute"]["valence"]["rmse"] == 0
    json.dumps(constant, allow_nan=False)


def test_figures_in_json_are_not_rounded() -> None:
    """Only printing rounds: .81946 prints as .819, but rounding to .8195 first gives .820."""
    made = report(synthetic.answers([8, 3]), [5])
    figures = made.shots[0].figures["mtclar"][0]
    assert made.as_json()["shots"]["5"]["mtclar"]["valence"]["ccc"] == figures.ccc != round(figures.ccc, 4)


def test_summary_reports_exclusions() -> None:
    text = " ".join(report(synthetic.answers([8, 3], no_face=1234), [5]).summary())
    assert "11 labelled faces; no face found in 1,234 of 1,245 pictures" in text
    assert f"Encoder {models.card('encoder').sha256[:12]} on onnxruntime (CPU)." in text
    assert "With 5 labelled, 1 of 2 people have enough." in text
    assert "no subject" not in text
    assert "The data has no subjects" in " ".join(report(synthetic.answers([8], known=False), [1]).summary())


def test_faces_without_a_subject_are_counted() -> None:
    made = report(synthetic.answers([5], subject=np.array(["anna", "", "anna", "anna", ""])), [0, 1])
    assert "2 of 5 faces have no subject and are scored only without labels." in made.summary()
    content = made.as_json()
    assert (content["n"], content["nameless"]) == (5, 2)
    assert content["subjects"]["1"] == {"used": 1, "left_out": 0, "queries": 4}
    assert report(synthetic.answers([5], known=False), [1]).as_json()["nameless"] == 0
