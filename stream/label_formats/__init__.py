"""Label files: `label_file` reads every format and writes tables. `table` (CSV and its kin), `elan` (.eaf) and `nova`
(.annotation) parse one format each; all give `label.Label`s.
"""
