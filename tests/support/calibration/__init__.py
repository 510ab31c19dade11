"""A calibration session under test, and the page that it serves."""
