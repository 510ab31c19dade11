"""The command line: one file a command, each importing what it needs only when it runs.

`main` finds the command in `commands` (`old_spellings` accepts earlier ones); `options`, `options_of_servers` and
`options_of_tables` are those of several commands. `files` are what commands read and write, `display` is what they
show. `service` runs servers, `benchmark` measures, `reports` show results.
"""
