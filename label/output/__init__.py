"""The result of `label`: `table` (a row a frame, CSV), `exports` (Parquet, ELAN, NOVA), `render` (video with chart)."""
