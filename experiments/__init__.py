"""Measurements behind choices, by topic; run from the repository's root: `python -m experiments.TOPIC.NAME`."""
