"""Support sets merged, pruned, re-embedded and exported: kept frames and rejected input."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.media.calibration_faces import make_set

from mtclar.calibrate.core.sets import editing
from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.errors import SupportSetError, UsageError
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet
from mtclar.stream.label_formats.label_file import parse_labels


def test_merging_keeps_every_frame_in_order() -> None:
    one, other = make_set(3, 1), make_set(2, 2)
    merged = editing.merge([("a", one), ("b", other)])
    np.testing.assert_array_equal(merged.embeddings, np.concatenate([one.embeddings, other.embeddings]))
    np.testing.assert_array_equal(merged.crops, np.concatenate([one.crops, other.crops]))
    np.testing.assert_array_equal(merged.conditions[3:], other.conditions)
    assert merged.created == other.created
    assert merged.source == "camera 1, camera 2"
    assert "merged from 2" in merged.notes


def test_crops_are_left_out_unless_all_have_them() -> None:
    assert editing.merge([("a", make_set(3, 1)), ("b", make_set(2, 2, crops=False))]).crops is None


def test_frames_that_come_twice_are_refused() -> None:
    one, other = make_set(3, 1), make_set(2, 2)
    both = editing.merge([("a", one), ("b", other)])
    for sets in ([("a", one), ("a", one)], [("b", other), ("ab", both)]):
        with pytest.raises(UsageError, match="same frame is in both files"):
            editing.merge(sets)


def test_two_people_are_merged_only_with_a_common_subject() -> None:
    sets = [("a", make_set(3, 1)), ("b", make_set(2, 2, "ben"))]
    with pytest.raises(UsageError, match="anna, ben") as error:
        editing.merge(sets)
    assert "--subject" in error.value.hint
    assert editing.merge(sets, " anna ").subject == "anna"
    for nobody in ("", "  ", "an\x1b[31mna"):
        with pytest.raises(UsageError, match="--subject"):
            editing.merge(sets, nobody)


def test_sets_of_two_encoders_are_refused() -> None:
    with pytest.raises(UsageError, match="made with the encoder"):
        editing.merge(
            [("a", make_set(3, 1)), ("b", replace(make_set(2, 2), encoder=EncoderIdentity(sha256="f" * 64)))]
        )
    with pytest.raises(UsageError, match="two support sets"):
        editing.merge([("a", make_set(3, 1))])


@given(seed=st.integers(1, 500), count=st.integers(1, 12), data=st.data())
@settings(max_examples=20)
def test_pruning_keeps_as_many_as_asked_in_their_order(seed: int, count: int, data: st.DataObject) -> None:
    support = make_set(count, seed, crops=False)
    keep = data.draw(st.integers(1, count))
    pruned = editing.keep_most_useful(support, keep)
    assert len(pruned) == keep
    assert (np.diff(pruned.times_s) > 0).all()
    rows = pruned.times_s.astype(int)
    np.testing.assert_array_equal(pruned.labels, support.labels[rows])


def test_one_of_each_kind_is_more_useful_than_many_of_one() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.eye(4, 16), 5, axis=0)
    support = replace(make_set(20, 1), embeddings=kinds + rng.normal(0, 0.01, kinds.shape))
    pruned = editing.keep_most_useful(support, 4)
    assert sorted(pruned.times_s.astype(int) // 5) == [0, 1, 2, 3]


def test_pruning_to_none_or_to_more_than_there_are_is_refused() -> None:
    for keep in (0, 4):
        with pytest.raises(UsageError, match=f"cannot keep {keep} of 3"):
            editing.keep_most_useful(make_set(3, 1), keep)


def test_a_label_that_contradicts_the_others_is_dropped() -> None:
    count = 6
    labels = np.full((count, 2), 0.2, np.float32) + np.arange(count)[:, None] * 0.01
    labels[2] = -0.9
    support = replace(make_set(count, 1), labels=labels, absolute=np.full((count, 2), 0.2, np.float32))
    assert editing.drop_large_errors(support, 0.5).times_s.tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(UsageError, match="every frame"):
        editing.drop_large_errors(support, 0.0)


def test_reembedding_kept_faces() -> None:
    support, identity = make_set(3, 1), models.card("encoder").identity
    with open_session(models.path("encoder")) as session:
        encoder = Encoder(session)
        seen = editing.reembed(support, encoder, identity)
        expected = encoder(support.crops)
        seen.require_encoder(identity)
    np.testing.assert_array_equal(seen.embeddings, expected.embedding)
    np.testing.assert_array_equal(seen.absolute, expected.absolute)
    np.testing.assert_array_equal(seen.labels, support.labels)
    with open_session(models.path("encoder")) as session:
        with pytest.raises(SupportSetError, match="were not kept") as error:
            editing.reembed(replace(support, crops=None), Encoder(session), identity)
        assert "calibrate" in error.value.hint
        other = replace(identity, framing=replace(FRAMING, scale=3.0))
        with pytest.raises(SupportSetError, match="have the framing"):
            editing.reembed(support, Encoder(session), other)


def test_the_listing_comes_back_as_labels() -> None:
    support = make_set(4, 1)
    labels = parse_labels(editing.export(support, "csv"))
    values = np.array([(label.valence, label.arousal) for label in labels])
    np.testing.assert_allclose(values, support.labels, atol=1e-4)
    exported = json.loads(editing.export(support, "json"))
    assert exported["subject"] == "anna"
    assert len(exported["frames"]) == 4
    assert [frame["brightness"] for frame in exported["frames"]] == pytest.approx(
        support.conditions[:, 0], abs=1e-3
    )
    assert "embeddings" not in json.dumps(exported)


def test_crops_are_written_whole_private_and_never_over_others(tmp_path: Path) -> None:
    support = make_set(3, 1)
    paths = editing.write_crops(support, tmp_path / "faces")
    for path, crop in zip(paths, support.crops, strict=True):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), crop)
    with pytest.raises(UsageError, match="exists already"):
        editing.write_crops(support, tmp_path / "faces")
    with pytest.raises(UsageError, match="has no face crops"):
        editing.write_crops(make_set(3, 1, crops=False), tmp_path / "more")


def test_a_merged_set_keeps_which_video_each_frame_is_of(tmp_path) -> None:
    parts = [("a", make_set(3, 1)), ("b", make_set(2, 2))]
    merged = editing.merge(parts)
    merged.save(tmp_path / "merged.mtclar")
    loaded = SupportSet.load(tmp_path / "merged.mtclar")
    pruned = loaded.only(np.array([4, 0]))
    assert [pruned.source_of(row) for row in range(2)] == ["camera 2", "camera 1"]
    labels = parse_labels(editing.export(loaded, "csv"))
    for name, (_, support) in zip(("camera 1", "camera 2"), parts, strict=True):
        own = sorted((label.time_s, label.valence) for label in labels if label.video == name)
        expected = sorted(zip(support.times_s.tolist(), support.labels[:, 0].tolist(), strict=True))
        np.testing.assert_allclose(own, expected, atol=1e-4)
    again = editing.merge([("merged", merged), ("c", make_set(2, 3))])
    assert [again.source_of(row) for row in range(7)] == ["camera 1"] * 3 + ["camera 2"] * 2 + [
        "camera 3"
    ] * 2
