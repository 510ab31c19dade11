"""The mean of two networks lies between them, weight by weight, and counts of batches are those of the second."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.train.network.architecture import NetworkConfig, Siamese
from tools.fit.average_checkpoints import averaged, main

TINY = NetworkConfig(stem=8, stages=((8, 1),), embedding=8, pair_hidden=(8, 8))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_each_weight_and_each_statistic_is_as_far_between_as_the_share(share: float) -> None:
    before, after = Siamese(TINY), Siamese(TINY)
    with torch.no_grad():
        after.encoder(torch.randint(0, 256, (16, 48, 48)).float())  # moves the batch norms' statistics
    mean = averaged(before, after, share).state_dict()
    for name, value in mean.items():
        if value.dtype.is_floating_point:
            wanted = (1 - share) * before.state_dict()[name] + share * after.state_dict()[name]
            torch.testing.assert_close(value, wanted)
        else:
            assert torch.equal(value, after.state_dict()[name])


def test_a_file_that_is_there_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before.pt"
    before.write_text("a network")
    inputs = [str(before), str(before), "--ferplus", str(tmp_path), "--people", str(tmp_path / "people.npz")]
    monkeypatch.setattr("sys.argv", ["average_checkpoints.py", *inputs, "--out", str(before)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"error: {before} exists already" in capsys.readouterr().err
    assert before.read_text() == "a network"
