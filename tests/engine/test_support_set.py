"""Support sets and their files: nothing is lost on the way, and nothing damaged gets in."""

import hashlib
import io
import json
import stat
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mtclar.engine import support_set as support_module
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import SupportSetError, UsageError, WriteError
from mtclar.engine.face.crop import Framing
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_file import ARRAYS
from mtclar.engine.support_set import SupportSet, is_encrypted

FRAMING = Framing(size=8, scale=1.05, shift_up=0.05)
SHA256 = hashlib.sha256(b"an encoder").hexdigest()


def unit_floats(shape: tuple[int, ...], low: float = -1.0) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, shape, elements=st.floats(low, 1.0, width=32))


@st.composite
def support_sets(draw: st.DrawFn) -> SupportSet:
    count, dim = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    crops = hnp.arrays(np.uint8, (count, FRAMING.size, FRAMING.size))
    conditions = hnp.arrays(np.float32, (count, 4), elements=st.floats(-1e4, 1e4, width=32))
    return SupportSet(
        embeddings=draw(unit_floats((count, dim))),
        absolute=draw(unit_floats((count, 2))),
        labels=draw(unit_floats((count, 2))),
        quality=draw(unit_floats((count,), low=0.0)),
        times_s=draw(hnp.arrays(np.float64, (count,), elements=st.floats(0, 1e6))),
        subject=draw(st.text(max_size=20)),
        source=draw(st.sampled_from(["webcam", "clip.mp4", "rtsp://camera/live", ""])),
        created="2026-01-02T03:04:05+00:00",
        encoder=EncoderIdentity("encoder", SHA256, FRAMING),
        conditions=draw(st.none() | conditions),
        crops=draw(st.none() | crops),
        notes=draw(st.text(max_size=20)),
        warning=draw(st.text(max_size=20)),
    )


@pytest.fixture(scope="module")
def anna() -> SupportSet:
    rng = np.random.default_rng(0)
    encoded = Encoded(
        embedding=rng.normal(size=(4, 6)).astype(np.float32),
        absolute=rng.uniform(-1, 1, (4, 2)).astype(np.float32),
        expression=np.zeros((4, 8), np.float32),
    )
    return SupportSet.from_encoded(
        encoded,
        rng.uniform(-1, 1, (4, 2)),
        subject="anna",
        encoder=EncoderIdentity("encoder", SHA256, FRAMING),
        times_s=np.arange(4) / 25,
        source="rtsp://anna:secret@camera/live?token=secret",
        created="2026-01-02T03:04:05+00:00",
        crops=rng.integers(0, 256, (4, 8, 8), dtype=np.uint8),
    )


@pytest.fixture(scope="module")
def payload(anna: SupportSet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("support") / "anna.mtclar"
    anna.save(path)
    return path.read_bytes()


def equal(one: SupportSet, other: SupportSet) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        if name in ARRAYS
        else getattr(one, name) == getattr(other, name)
        for name in SupportSet.__dataclass_fields__
    )


def rewritten(payload: bytes, change) -> bytes:
    """The same file after `change(members)`; members by name, the manifest's sha256 brought up to date."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    manifest = json.loads(members["manifest.json"])
    for name, described in manifest["members"].items():
        described["sha256"] = hashlib.sha256(members[f"{name}.npy"]).hexdigest()
    members["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def refused(tmp_path: Path, payload: bytes) -> str:
    """What the error says when a file with these bytes is loaded."""
    path = tmp_path / "damaged.mtclar"
    path.write_bytes(payload)
    with pytest.raises(SupportSetError) as raised:
        SupportSet.load(path)
    assert str(path) in raised.value.what
    assert raised.value.hint
    return raised.value.what


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(support_sets())
def test_round_trip(tmp_path, support) -> None:
    support.save(tmp_path / "set.mtclar")
    assert equal(support, SupportSet.load(tmp_path / "set.mtclar"))


def test_credentials_are_never_kept(anna, payload) -> None:
    assert anna.source == "rtsp://camera/live"
    assert b"secret" not in payload


def test_created_is_utc_and_now_by_default(anna) -> None:
    encoded = anna.encoded
    support = SupportSet.from_encoded(encoded, anna.labels, subject="a")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(support.created)).total_seconds()) < 100
    assert (support.quality == 1).all()


def test_arrays_are_copies_that_cannot_be_written(anna) -> None:
    labels = np.zeros((4, 2))
    support = SupportSet.from_encoded(
        anna.encoded,
        labels,
        subject="a",
    )
    labels += 5
    assert (support.labels == 0).all()
    with pytest.raises(ValueError):
        support.labels[0] = 1


def test_without_leaves_out_one_frame(anna) -> None:
    rest = anna.without(1)
    assert len(rest) == 3
    np.testing.assert_array_equal(rest.times_s, anna.times_s[[0, 2, 3]])
    np.testing.assert_array_equal(rest.crops, anna.crops[[0, 2, 3]])
    with pytest.raises(IndexError):
        anna.without(4)


def test_another_encoder_is_refused_with_what_to_do(anna) -> None:
    same = EncoderIdentity("encoder", SHA256, FRAMING, 6)
    anna.require_encoder(same)
    for wrong, says in (
        ({"sha256": "f" * 64}, SHA256[:12]),
        ({"embedding_dim": 7}, "embeddings of 6 numbers, and this encoder gives 7"),
        ({"framing": replace(FRAMING, scale=1.35)}, "faces cut another way"),
    ):
        with pytest.raises(SupportSetError) as raised:
            anna.require_encoder(replace(same, **wrong))
        assert says in raised.value.what
        assert ("reembed" if says == SHA256[:12] else "calibrate") in raised.value.hint  # its crops are kept
    with pytest.raises(SupportSetError) as raised:
        replace(anna, crops=None).require_encoder(replace(same, sha256="f" * 64))
    assert "calibrate" in raised.value.hint


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("labels", np.full((4, 2), 1.01), "outside [-1, 1]"),
        ("labels", np.full((4, 2), np.nan), "NaN"),
        ("embeddings", np.full((4, 6), np.inf), "NaN or infinity"),
        ("absolute", np.zeros((3, 2)), "absolute has shape [3, 2], expected [4, 2]"),
        ("embeddings", np.zeros((4, 0)), "embeddings has shape"),
        ("quality", np.full(4, -0.1), "quality"),
        ("times_s", np.zeros((4, 1)), "times_s"),
        ("crops", np.zeros((4, 9, 9), np.uint8), "crops"),
        ("conditions", np.zeros((4, 3)), "conditions has shape [4, 3], expected [4, 4]"),
        ("labels", np.zeros((0, 2)), "no frame"),
        ("labels", np.float32(0), "no frame"),
    ],
)
def test_unusable_arrays_are_refused(anna, field, value, says) -> None:
    with pytest.raises(SupportSetError) as raised:
        replace(anna, **{field: value})
    assert says in raised.value.what


def test_file_mode_and_no_leftovers(anna, tmp_path) -> None:
    path = tmp_path / "new folder" / "anna.mtclar"
    anna.save(path)
    anna.without(0).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert len(SupportSet.load(path)) == 3


def test_a_full_disk_leaves_the_old_file_whole(anna, full_disk) -> None:
    path = full_disk / "anna.mtclar"
    anna.save(path)
    many = np.resize(np.arange(4), 4000)
    large = replace(
        anna, **{name: getattr(anna, name)[many] for name in ARRAYS if getattr(anna, name) is not None}
    )
    with pytest.raises(WriteError, match="cannot write"):
        large.save(path)
    assert list(full_disk.iterdir()) == [path]
    assert equal(anna, SupportSet.load(path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_folder_that_is_none_is_a_clear_error(anna) -> None:
    with pytest.raises(WriteError, match=r"cannot write /dev/full/anna\.mtclar: "):
        anna.save("/dev/full/anna.mtclar")


def test_missing_file_folder_and_something_else(tmp_path) -> None:
    with pytest.raises(UsageError, match="there is no support set"):
        SupportSet.load(tmp_path / "none.mtclar")
    with pytest.raises(UsageError, match="is a folder"):
        SupportSet.load(tmp_path)
    assert "not a support set" in refused(tmp_path, b"time,valence,arousal\n0,0,0\n")
    assert "not a support set" in refused(tmp_path, b"")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, payload, share) -> None:
    assert "it is cut short, or another kind of file" in refused(
        tmp_path, payload[: int(len(payload) * share)]
    )


def test_another_version_is_refused_as_such(tmp_path, payload) -> None:
    def newer(members: dict[str, bytes]) -> None:
        members["manifest.json"] = members["manifest.json"].replace(b'"version": 1', b'"version": 2')

    assert "version 2" in refused(tmp_path, rewritten(payload, newer))


def test_a_file_of_a_version_without_warnings_is_read(anna, tmp_path, payload) -> None:
    def older(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        del manifest["warning"]
        members["manifest.json"] = json.dumps(manifest).encode()

    path = tmp_path / "old.mtclar"
    path.write_bytes(rewritten(payload, older))
    assert equal(SupportSet.load(path), anna)


def test_a_changed_or_missing_member_is_refused(tmp_path, payload) -> None:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def packed(kept: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in kept.items():
                archive.writestr(name, data)
        return buffer.getvalue()

    changed = {**members, "labels.npy": npy(np.zeros((4, 2), np.float32))}
    assert "sha256 of labels" in refused(tmp_path, packed(changed))
    assert "members" in refused(tmp_path, packed({k: v for k, v in members.items() if k != "labels.npy"}))
    assert "members" in refused(tmp_path, packed({**members, "more.npy": b""}))
    unreadable = "its manifest.json is missing or cannot be read"
    assert unreadable in refused(tmp_path, packed({k: v for k, v in members.items() if k != "manifest.json"}))
    assert unreadable in refused(tmp_path, packed({**members, "manifest.json": b"[" * 100_000}))
    assert unreadable in refused(tmp_path, packed({**members, "manifest.json": b"[]"}))
    manifest = json.loads(members["manifest.json"])
    foreign = json.dumps(manifest | {"format": "other"}).encode()
    assert "another program" in refused(tmp_path, packed({**members, "manifest.json": foreign}))
    for changed in (
        {"members": 7},
        {"framing": {}},
        {"model": None},
        {"framing": {**manifest["framing"], "size": "x"}},
    ):
        text = json.dumps(manifest | changed).encode()
        assert "does not describe a support set" in refused(
            tmp_path, packed({**members, "manifest.json": text})
        )
    nameless = json.dumps(manifest | {"subject": 7}).encode()
    assert "subject is not a text" in refused(tmp_path, packed({**members, "manifest.json": nameless}))


def test_a_source_that_is_no_address_shows_its_scheme_alone(tmp_path, payload) -> None:
    def nowhere(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"]) | {"source": "rtsp://["}
        members["manifest.json"] = json.dumps(manifest).encode()

    path = tmp_path / "nowhere.mtclar"
    path.write_bytes(rewritten(payload, nowhere))
    assert SupportSet.load(path).source == "rtsp://…"


NOT_DESCRIBED = "labels is not the array that the manifest describes"
UNREADABLE = "the array labels cannot be read"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (npy(np.array([[{}, 1]] * 4, object), allow_pickle=True), NOT_DESCRIBED),
        (npy(np.zeros((4, 2), np.float64)), NOT_DESCRIBED),
        (npy(np.zeros((2, 4), np.float32)), NOT_DESCRIBED),
        (npy(np.asfortranarray(np.zeros((4, 2), np.float32))), NOT_DESCRIBED),
        (npy(np.full((4, 2), np.nan, np.float32)), "labels holds NaN"),
        (npy(np.zeros((4, 2), np.float32))[:-1], UNREADABLE),
        (npy(np.zeros((4, 2), np.float32)).replace(b"(4, 2)", b"(4,2000000000)"), NOT_DESCRIBED),
        (b"\x93NUMPY\x03\x00", "labels is of another .npy version"),
        (b"", UNREADABLE),
    ],
)
def test_arrays_must_match_the_manifest(tmp_path, payload, data, says) -> None:
    assert says in refused(tmp_path, rewritten(payload, lambda members: members.update({"labels.npy": data})))


def test_a_zip_bomb_is_refused_unread(tmp_path, payload, monkeypatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(50_000_000))
    assert "not stored" in refused(tmp_path, buffer.getvalue())
    monkeypatch.setattr(support_module, "MAX_SUPPORT_BYTES", len(payload) - 1)
    assert "larger than" in refused(tmp_path, payload)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
@example(cut=1.0, flips=[])
def test_any_damage_is_refused_or_harmless(tmp_path, anna, payload, cut, flips) -> None:
    damaged = bytearray(payload[: int(len(payload) * cut)] if cut > 0.5 else payload)
    for where, bits in flips:
        damaged[int(where * len(damaged))] ^= bits
    path = tmp_path / "damaged.mtclar"
    path.write_bytes(damaged)
    try:
        loaded = SupportSet.load(path)
    except SupportSetError:
        return
    assert equal(anna, loaded)


# --- encrypted ----------------------------------------------------------------------------------------------------


def test_an_encrypted_file_needs_its_passphrase(anna, tmp_path: Path) -> None:
    path = tmp_path / "anna.mtclar"
    anna.save(path, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert b"PK" not in content[:64]
    assert anna.subject.encode() not in content
    assert is_encrypted(path)
    back = SupportSet.load(path, lambda: "correct horse")
    np.testing.assert_array_equal(back.embeddings, anna.embeddings)
    with pytest.raises(SupportSetError, match="passphrase is wrong"):
        SupportSet.load(path, lambda: "wrong horse")
    with pytest.raises(SupportSetError, match="is encrypted, and no passphrase"):
        SupportSet.load(path)


def test_a_plain_file_asks_for_no_passphrase(anna, tmp_path: Path) -> None:
    path = tmp_path / "anna.mtclar"
    anna.save(path)
    assert not is_encrypted(path)
    assert not is_encrypted(tmp_path / "nothing there")

    def never() -> str:
        raise AssertionError

    assert SupportSet.load(path, never).subject == anna.subject
