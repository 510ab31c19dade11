"""Constants that are fitted to networks of one's own lie beside these, name their encoder, and are taken from there."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from support.media import ferplus_folder, real_people_file
from support.networks.exported_networks import exported, of_another_name

from mtclar.engine import models
from mtclar.engine.estimate.comparer import params_for
from tools.fit import fit_fewshot

CLIPS = Path(__file__).parents[2] / "label" / "clips"
SMALL = {
    "OFFSETS": (0.0003, 0.02),
    "GAINS": (0.0,),
    "LOCALS": (0.002,),
    "NOISES": (0.005, 0.025),
    "TAUS": (0.12,),
    "POWERS": (0.6,),
    "SIZES": (1, 3),
    "SEARCH_SIZES": (3,),
    "CALIBRATION_KS": (1,),
}
"""A grid of four components in place of 336: what is fitted is not the question here."""


def test_constants_lie_beside_the_networks_that_they_were_fitted_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(fit_fewshot, name, value)
    sha256 = of_another_name(exported(tmp_path / "own"))
    person = np.repeat(np.arange(900, 906), 8)
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "people.npz",
        images=random.integers(0, 256, (len(person), 56, 56), dtype=np.uint8),
        va=random.uniform(-1, 1, (len(person), 2)),
        person=person,
    )
    (tmp_path / "clips").mkdir()
    for suffix in ("mp4", "csv"):
        shutil.copy(CLIPS / f"1002.{suffix}", tmp_path / "clips")
    ferplus_folder.write(tmp_path / "ferplus", 320)
    before = models.compare_path().read_bytes()
    given = {name: str(tmp_path / name) for name in ("clips", "ferplus")}
    given |= {"people": str(tmp_path / "people.npz"), "models": str(tmp_path / "own")}
    given["real-people"] = str(real_people_file.write(tmp_path / "real.npz"))
    monkeypatch.setattr(
        sys, "argv", ["fit_fewshot.py", *(word for k, v in given.items() for word in (f"--{k}", v))]
    )
    fit_fewshot.main()
    assert models.compare_path().read_bytes() == before, "the bundled ones stay as they are"
    params = params_for(sha256, tmp_path / "own")
    assert params.encoder_sha256 == sha256
    for prior in params.priors:
        assert sum(one.weight for one in prior.components) == pytest.approx(1, abs=0.01)
        assert prior.sd_scale > 0
