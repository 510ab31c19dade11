"""`evaluate` on the command line: own photos, small data sets, error messages."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.media.video_clips import face_pictures
from support.networks.exported_networks import exported, of_another_name

from mtclar.cli.commands.networks.evaluate import decimal
from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.estimate.comparer import bundled_params

Command = Callable[..., Any]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight photos of one real face in slightly different places, two of another name, one of nobody."""
    pictures = face_pictures(10, (320, 240))
    pictures.append(np.full((240, 320, 3), 127, np.uint8))
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "valence", "arousal", "subject", "remark"])
        for i, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / f"{i}.jpg"), picture)
            table.writerow([f"{i}.jpg", 0.05 * i, -0.05 * i, "anna" if i < 8 else "ben", "ignored"])
    return tmp_path / "photos.csv"


def test_photos_with_subjects(command: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "report.json"
    done = command("evaluate", "--photos", photos, "--shots", "0,1,5", "--seeds", "3", "--json", out)
    assert done.code == 0, done.err
    assert "10 labelled faces; no face found in 1 of 11 pictures" in done.out
    assert "With 5 labelled, 1 of 2 people have enough." in done.out
    assert "proxy" not in done.out
    content = json.loads(out.read_text())
    assert (content["n"], content["no_face"], content["classes"]) == (10, 1, None)
    assert set(content["shots"]) == {"0", "1", "5"}
    assert content["subjects"]["1"] == {"used": 2, "left_out": 0, "queries": 3 * (7 + 1)}
    for method in ("mtclar", "absolute", "nearest", "paper"):
        assert content["shots"]["5"][method]["valence"]["rmse"] > 0
        assert method in done.out
    assert content["encoder_sha256"] == models.card("encoder").sha256
    again = tmp_path / "again.json"
    command("evaluate", "--photos", photos, "--shots", "0,1,5", "--seeds", "3", "--json", again)
    assert json.loads(again.read_text()) == content, "a repetition gives the same figures"


def test_exported_networks_can_be_named(command: Command, photos: Path, tmp_path: Path) -> None:
    folder, out = exported(tmp_path / "graphs"), tmp_path / "report.json"
    evaluate = ("evaluate", "--photos", photos, "--shots", "0", "--models", folder)
    done = command(*evaluate, "--json", out)
    assert done.code == 0, done.err
    assert "warning" not in done.out, "it is the encoder that the bundled constants were fitted to"
    assert json.loads(out.read_text())["constants_encoder_sha256"] == models.card("encoder").sha256


@pytest.mark.parametrize("name", ["encoder", "pair"])
def test_a_network_that_does_not_match_its_card_is_rejected(
    command: Command, photos: Path, tmp_path: Path, name: str
) -> None:
    folder = exported(tmp_path / "graphs")
    evaluate = ("evaluate", "--photos", photos, "--shots", "0", "--models", folder)
    (folder / f"{name}.onnx").write_bytes(b"another network")
    done = command(*evaluate)
    assert done.code == 1
    assert f"{name}.onnx is not the network that its card describes" in done.err
    assert "export it again" in done.err
    (folder / f"{name}.json").unlink()
    done = command(*evaluate)
    assert done.code == 2
    assert f"has no {name}.json" in done.err


def test_a_pair_network_of_another_encoder_is_rejected(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    folder = exported(tmp_path / "graphs")
    of_another_name(folder)
    models.card("pair").write(folder / "pair.json")
    evaluate = ("evaluate", "--photos", photos, "--shots", "0", "--models", folder)
    done = command(*evaluate)
    assert done.code == 1
    assert "pair.onnx was trained with another encoder" in done.err
    replace(models.card("pair"), encoder_sha256=None).write(folder / "pair.json")
    assert command(*evaluate).code == 0, "older exports do not say which it was"


def test_constants_of_another_encoder_give_a_warning(command: Command, photos: Path, tmp_path: Path) -> None:
    folder, out = exported(tmp_path / "graphs"), tmp_path / "report.json"
    evaluate = ("evaluate", "--photos", photos, "--shots", "1", "--seeds", "2", "--backend", "onnxruntime")
    assert command(*evaluate, "--json", out).code == 0
    bundled = json.loads(out.read_text())
    sha256 = of_another_name(folder)
    wide = replace(bundled_params(), valence=replace(bundled_params().valence, sd_scale=100.0))

    def of_folder() -> tuple[dict[str, Any], int]:
        done = command(*evaluate, "--models", folder, "--json", out)
        assert done.code == 0, done.err
        message = f"the few-shot constants were fitted to encoder {models.card('encoder').sha256[:12]}, not to this one"
        return json.loads(out.read_text()), done.out.count(message)

    without, warnings = of_folder()
    assert (warnings, without["encoder_sha256"]) == (1, sha256)
    assert without["constants_encoder_sha256"] == models.card("encoder").sha256
    assert without["shots"] == bundled["shots"]
    wide.write(folder / "compare.json")  # still has the sha256 of the bundled encoder
    assert of_folder() == (without, 1)
    replace(wide, encoder_sha256=sha256).write(folder / "compare.json")
    own, warnings = of_folder()
    assert (warnings, own["constants_encoder_sha256"]) == (0, sha256)
    coverage = own["shots"]["1"]["mtclar"]["valence"]["coverage"]
    assert coverage == 1.0 > bundled["shots"]["1"]["mtclar"]["valence"]["coverage"]
    (folder / "compare.json").write_text("{}")
    done = command(*evaluate, "--models", folder)
    assert done.code == 1
    assert "compare.json does not hold the constants" in done.err
    assert "fit them again" in done.err


def test_the_report_names_the_backend(command: Command, photos: Path, tmp_path: Path) -> None:
    """A bundled encoder has an int8 copy that a CPU runs unasked; its sha256 is the same."""
    out = tmp_path / "report.json"
    for backend in ("auto", "onnxruntime"):
        options = ("--photos", photos, "--shots", "0", "--backend", backend, "--json", out)
        done = command("evaluate", *options)
        with open_session(models.path("encoder"), backend) as session:
            assert json.loads(out.read_text())["backend"] == session.backend
            assert f"on {session.backend}." in done.out


def ferplus_csvs(root: Path) -> Path:
    """Noise in the published layout: four test pictures, one of them without a majority."""
    random = np.random.default_rng(0)
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = ["8,2,0,0,0,0,0,0,0,0", "0,9,1,0,0,0,0,0,0,0", "0,0,0,10,0,0,0,0,0,0", "4,4,2,0,0,0,0,0,0,0"]
    named, pictured = [header], ["emotion,pixels,Usage"]
    for i, row in enumerate(votes):
        named.append(f"PrivateTest,fer{i:07d}.png,{row}")
        pictured.append(f"0,{' '.join(map(str, random.integers(0, 256, 48 * 48)))},PrivateTest")
    root.mkdir()
    (root / "fer2013new.csv").write_text("\n".join(named) + "\n")
    (root / "fer2013.csv").write_text("\n".join(pictured) + "\n")
    return root


def test_ferplus_is_marked_as_proxy_and_scored_by_majority(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    root = ferplus_csvs(tmp_path / "ferplus")
    done = command("evaluate", "--dataset", "ferplus", "--root", root, "--shots", "0,1", "--json", out)
    assert done.code == 0, done.err
    assert "ferplus PrivateTest: 4 labelled faces" in done.out
    assert "(n = 3), the majority subset" in done.out
    assert "a proxy" in done.out
    assert "The data has no subjects" in done.out
    assert "trained on" not in done.out
    content = json.loads(out.read_text())
    assert (content["n"], content["classes"]["n"]) == (4, 3)
    assert "proxy" in content["labels"]
    assert content["subjects"]["1"]["used"] is None


def test_training_images_are_marked(command: Command, tmp_path: Path) -> None:
    root = ferplus_csvs(tmp_path / "ferplus")
    for path in root.iterdir():
        path.write_text(path.read_text().replace("PrivateTest", "Training"))
    done = command("evaluate", "--dataset", "ferplus", "--root", root, "--split", "Training", "--shots", "0")
    assert done.code == 0, done.err
    assert "were trained on these pictures" in done.out


def afew_va(root: Path, frames: int = 45) -> Path:
    """A clip of a real face that moves, its valence rising."""
    folder = root / "001"
    folder.mkdir(parents=True)
    described = {}
    for i, picture in enumerate(face_pictures(frames, (320, 240))):
        cv2.imwrite(str(folder / f"{i:05d}.png"), picture)
        landmarks = np.linspace((100, 60), (230, 190), 68).tolist()
        described[f"{i:05d}"] = {"valence": i // 5, "arousal": 0, "landmarks": landmarks}
    content = {"actor": "anna", "video_id": "001", "frames": described}
    (folder / "001.json").write_text(json.dumps(content))
    return root


def test_whole_clips_are_scored(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    root = afew_va(tmp_path / "afew")
    options = ["--root", root, "--shots", "5", "--seeds", "2", "--json", out]
    done = command("evaluate", "--dataset", "afew-va", *options)
    assert done.code == 0, done.err
    assert "afew-va all: 45 labelled faces" in done.out
    assert "1 whole clips, every 20th frame labelled (3), the other 42 scored" in done.out
    methods = json.loads(out.read_text())["clips"]["methods"]
    assert methods["hold-last"]["valence"]["rmse"] > 0
    assert methods["mtclar"]["arousal"]["ccc"] is not None


def test_one_bad_photo_is_named_and_the_others_are_measured(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "3.jpg").write_bytes(b"broken")
    (tmp_path / "4.jpg").write_bytes((tmp_path / "4.jpg").read_bytes()[:200])
    out = tmp_path / "report.json"
    done = command("evaluate", "--photos", photos, "--shots", "0", "--json", out)
    assert done.code == 1
    assert "2 pictures could not be read; the report covers the others" in done.err
    assert "8 labelled faces; no face found in 1 of 9 pictures; 2 more cannot be read" in done.out
    assert "photos.csv, line 5: " in done.out
    content = json.loads(out.read_text())
    assert (content["n"], content["no_face"]) == (8, 1)
    assert [text.partition(": ")[0][-6:] for text in content["unreadable"]] == ["line 5", "line 6"]


def test_a_broken_frame_of_a_clip_is_named(command: Command, tmp_path: Path) -> None:
    root = afew_va(tmp_path / "afew")
    broken = sorted(root.rglob("*.png"))[7]
    broken.write_bytes(b"broken")
    done = command("evaluate", "--dataset", "afew-va", "--root", root, "--shots", "0")
    assert done.code == 1
    assert f"{broken} is not a picture that can be read" in done.out.replace("\n", "")
    assert "44 labelled faces" in done.out
    assert "1 picture could not be read" in done.err


def test_a_table_of_photos_as_a_spreadsheet_writes_it(command: Command, photos: Path, tmp_path: Path) -> None:
    rows = photos.read_text().splitlines()
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "\r\n".join(row.replace(",", ";").replace(";0.", ";0,").replace(";-0.", ";-0,") for row in rows),
        "utf-8-sig",
    )
    done = command("evaluate", "--photos", sheet, "--shots", "0")
    assert done.code == 0, done.err
    assert "10 labelled faces" in done.out


def test_no_face_is_a_failure(command: Command, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((240, 320, 3), 127, np.uint8))
    (tmp_path / "photos.csv").write_text("path,valence,arousal\n0.png,0,0\n")
    out = tmp_path / "report.json"
    done = command("evaluate", "--photos", tmp_path / "photos.csv", "--json", out)
    assert done.code == 1
    assert "no face was found in any of 1 images" in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either --dataset or --photos"),
        (["--dataset", "ferplus", "--photos", "a.csv"], "name either --dataset or --photos"),
        (["--photos", "a.csv", "--split", "test"], "--photos cannot be combined with --root or --split"),
        (["--photos", "gone.csv"], "there is no file gone.csv"),
        (["--dataset", "imagenet"], "there is no data set 'imagenet'"),
        (["--dataset", "ferplus"], "ferplus needs --root DIR"),
        (["--dataset", "ferplus", "--root", "gone"], "gone is not a folder"),
        (["--dataset", "rendered", "--root", "."], "rendered people need no --root"),
        (["--dataset", "rendered", "--split", "train"], "rendered has no split 'train'"),
        (["--dataset", "affectnet", "--root", "."], ". has no validation split of AffectNet"),
        (["--dataset", "aff-wild2", "--root", "."], "has no validation labels of Aff-Wild2"),
        (["--dataset", "afew-va", "--root", "."], ". is not an AFEW-VA folder"),
        (["--dataset", "rendered", "--shots", "1,x"], "--shots '1,x' is not a list of numbers"),
        (["--dataset", "rendered", "--shots", "-1"], "--shots '-1' is not a list of numbers"),
        (["--dataset", "rendered", "--json", "here.txt/out.json"], "cannot write here.txt/out.json"),
    ],
)
def test_invalid_options_are_rejected(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text("a file")
    done = command("evaluate", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["here.txt"]


def test_the_report_never_overwrites_the_photo_table(command: Command, photos: Path) -> None:
    before = photos.read_text()
    done = command("evaluate", "--photos", photos, "--json", photos)
    assert done.code == 2
    assert "is also the file of --photos" in done.err
    assert photos.read_text() == before


def test_only_an_earlier_report_is_overwritten(command: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    evaluate = ["evaluate", "--photos", photos, "--shots", "0", "--json", out]
    out.write_text('{"mine": 1}')
    done = command(*evaluate)
    assert done.code == 2
    assert "exists already" in done.err
    out.write_text("")
    assert command(*evaluate).code == 0
    first = out.read_text()
    assert command(*evaluate).code == 0
    assert out.read_text() == first


def test_an_invalid_line_is_one_message(command: Command, tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("path,valence,arousal\ngone.png,0,0\n")
    done = command("evaluate", "--photos", tmp_path / "photos.csv")
    assert done.code == 2
    assert "line 2: there is no photo" in done.err
    assert "Traceback" not in done.err


def test_format_of_scores() -> None:
    texts = [
        decimal(value) for value in (0.1234, -0.1234, 1.0, 0.9996, -1.0, 10.5, -0.0004, float("nan"), None)
    ]
    assert texts == [".123", "-.123", "1.000", "1.000", "-1.000", "10.500", ".000", "-", "-"]


def test_clips_by_the_protocol(command: Command, tmp_path: Path) -> None:
    """Two rendered people in AFEW-VA's layout: every figure that is asked for, and the baselines beside it."""
    root = two_people(tmp_path / "afew")
    out = tmp_path / "protocol.json"
    arguments = ("evaluate", "--dataset", "afew-va", "--root", root, "--json", out)
    done = command(*arguments, "--protocol", "every-20", "--curve")
    assert done.code == 0, done.err
    assert "…" not in done.out, "every figure can be read in 80 columns"
    content = json.loads(out.read_text())
    assert (content["protocol"], content["clips"], content["labelled"]) == ("every-20", 2, 6)
    assert content["scored"] == content["n"] - 6 == 114
    for method in ("mtclar", "hold_last", "interpolate", "absolute", "paper", "best"):
        assert method in done.out
        for axis in ("valence", "arousal"):
            assert {"ccc", "rmse", "pcc", "sagr"} <= set(content["methods"][method][axis])
            low, high = content["intervals"][method][axis]["rmse"]
            assert low <= content["methods"][method][axis]["rmse"] <= high
    assert set(content["per_clip"]) == {"001", "002"}
    assert f"on {content['backend']}." in done.out
    assert "warning" not in done.out
    assert list(content["curve"]) == ["1", "2", "3", "4", "6", "8", "10", "15", "20"]
    assert command(*arguments, "--protocol", "first-3").code == 0, "an older report is replaced"
    assert json.loads(out.read_text())["protocol"] == "first-3"
    folder = exported(tmp_path / "graphs")
    sha256 = of_another_name(folder)
    replace(bundled_params(), encoder_sha256=sha256).write(folder / "compare.json")
    done = command(*arguments, "--protocol", "first-3", "--models", folder)
    assert "few-shot constants" not in done.out, "it has its own"
    assert "warning: the labelling constants were fitted to encoder" in done.out
    content = json.loads(out.read_text())
    assert content["constants_encoder_sha256"] == content["encoder_sha256"] == sha256
    assert content["labelling_constants_encoder_sha256"] == models.card("encoder").sha256
    for wrong in (("--protocol", "often"), ("--curve",)):
        assert command(*arguments, *wrong).code == 2


def two_people(root: Path) -> Path:
    clips = Path(__file__).parents[3] / "label" / "clips"
    for number, person in (("001", "1002"), ("002", "1003")):
        folder = root / number
        folder.mkdir(parents=True)
        video = cv2.VideoCapture(str(clips / f"{person}.mp4"))
        with (clips / f"{person}.csv").open() as file:
            truth = list(csv.DictReader(file))
        frames = {}
        for i in range(60):
            _, image = video.read()
            cv2.imwrite(str(folder / f"{i:05}.png"), image)
            # A rendered face fills the middle of the picture: landmarks around it are enough to find it by.
            points = [[110 + 100 * (j % 10) / 9, 60 + 130 * (j // 10) / 6] for j in range(68)]
            va = {axis: round(10 * float(truth[i][axis])) for axis in ("valence", "arousal")}
            frames[f"{i:05}"] = {**va, "landmarks": points}
        content = {"actor": person, "video_id": number, "frames": frames}
        (folder / f"{number}.json").write_text(json.dumps(content))
    return root
