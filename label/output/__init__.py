"""The table of a labelled recording, and its exports: CSV, Parquet, ELAN, NOVA and rendered video."""
