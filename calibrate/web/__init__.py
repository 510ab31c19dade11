"""The server side of the calibration page, in data order.

`messages` arrive at `registry`, which passes them to the `session` of a person. A feed brings the session its images:
`live_feed` those of a camera; `still_feed` and `playback_feed` those of a recording, which `recording_scan` selects.
`preview` and `state` are what the page is sent. `opening` opens the session of a camera; `page` holds the page.
"""
