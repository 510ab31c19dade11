"""Results as files. Of `label`: `table` (a row a frame, CSV), `exports` (Parquet, ELAN, NOVA), `render` (video, chart).

`data_frame` is for programs, `sound` for `render`. `recorded` and `recording_files` export a recording of
`run --record`.
"""
