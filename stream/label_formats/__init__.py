"""Formats of label files: `table` (CSV and its kin), `elan` (.eaf), `nova` (.annotation); all give `label.Label`s."""
