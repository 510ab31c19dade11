"""Means over series with confidence bands, against scipy."""

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats", reason="scipy is missing: pip install 'mtclar-stream[analysis]'")

from dataclasses import replace

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.group_means import group_means
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import Key, Series, series_of

FILM, REST = Segment("film", 2, 4), Segment("rest", 0, 2)


def level(name: str, rest: float, film: float, rate_hz: float = 10, group: str = "") -> Series:
    """Two seconds of rest and two of a film, each at one level."""
    times_s = np.arange(round(4 * rate_hz)) / rate_hz
    valence = np.where(times_s < 2, rest, film)
    return replace(series_of(Key(name), times_s, np.column_stack([valence, -valence])), group=group)


LEVELS = (0.1, 0.3, 0.35, 0.8)
SERIES = [level(f"p{n}", 0.1 * n, film) for n, film in enumerate(LEVELS)]


def test_the_band_is_that_of_the_t_distribution() -> None:
    (film,) = group_means(SERIES, [FILM])
    low, high = stats.t.interval(0.95, len(LEVELS) - 1, np.mean(LEVELS), stats.sem(LEVELS))
    assert film.count == 4
    np.testing.assert_allclose(film.mean[:, 0], np.mean(LEVELS))
    np.testing.assert_allclose(film.low[:, 0], low)
    np.testing.assert_allclose(film.high[:, 0], high)
    np.testing.assert_allclose(film.mean[:, 1], -np.mean(LEVELS))
    assert film.times_s[0] == 0
    assert film.times_s[-1] < 2


def test_the_baseline_of_each_series_is_subtracted() -> None:
    film, rest = group_means(SERIES, [REST, FILM], baseline="rest")
    np.testing.assert_allclose(rest.mean, 0, atol=1e-12)
    np.testing.assert_allclose(film.mean[:, 0], np.mean(LEVELS) - 0.15)
    with pytest.raises(UsageError, match="no series is left"):
        group_means(SERIES, [FILM], baseline="rest")


def test_a_series_counts_once_however_often_its_segment_occurs() -> None:
    segments = [Segment("film", 2, 3), Segment("film", 3, 4)]
    (film,) = group_means(SERIES, segments)
    assert film.count == 4
    np.testing.assert_allclose(film.mean[:, 0], np.mean(LEVELS))


def test_groups_of_a_column_and_different_frame_rates() -> None:
    series = [level("a", 0, 0.2, 10, "A"), level("b", 0, 0.4, 25, "A"), level("c", 0, 0.9, 30, "B")]
    first, second = group_means(series)
    assert (first.name, first.count, second.name, second.count) == ("A", 2, "B", 1)
    late = first.times_s > 2.2
    np.testing.assert_allclose(first.mean[late & (first.times_s < 3.9), 0], 0.3)
    assert np.isnan(second.low).all()  # one series has no spread


def test_a_participant_counts_once_with_several_recordings() -> None:
    anna = [replace(one, key=Key(one.key.recording, "anna")) for one in SERIES[:2]]
    (film,) = group_means([*anna, *SERIES[2:]], [FILM])
    assert film.count == 3
    np.testing.assert_allclose(film.mean[:, 0], np.mean([0.2, 0.35, 0.8]))
