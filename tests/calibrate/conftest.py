"""Fixtures of the calibration's tests."""

from support.calibration_faces import taken
