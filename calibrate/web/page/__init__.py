"""The calibration page: HTML and scripts by which a person labels their own face in a browser."""
