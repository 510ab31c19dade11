"""Printed reports of a calibration, a demo run and an evaluation."""
