"""Fixtures of the calibration's tests."""

from support.media.calibration_faces import taken
