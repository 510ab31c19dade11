"""The command line: one file a command, each importing what it needs only when it runs.

`main` finds the command in `commands` (`old_spellings` accepts earlier ones); `options`, `options_of_tables` and
`config_file` give it its options; `outputs` checks what it would write, `passphrase` opens encrypted sets. `service`
runs servers, `calibration_target` and `calibration_screen` calibrate, `benchmark` measures. `terminal`, `logs`,
`reports` and `browser` show the results.
"""
