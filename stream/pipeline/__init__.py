"""From a source to the sinks of one stream, and the runner of several streams behind a server.

In the order of the data: `reader` (a thread, with its watchdog and reconnections) puts frames into a `mailbox`, whose
freshness policy says which may be dropped; `pipeline` passes them through the tracker to the sinks; `summary` counts
them; `garbage_collection` keeps Python's garbage collection off that way.

`streams` opens sources with their trackers, `batching` gives them one encoder, `runner` serves them, with
`thresholds` that clients set and the `preview` of operators.
"""
