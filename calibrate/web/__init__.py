"""The server side of the calibration page, in data order.

The messages of `protocol` arrive at `registry`, which passes them to the `session` of a person. One of the `feeds`
brings the session its images. `state` is what the page is sent; `surroundings` is what the session knows of the command
that runs it. `opening` opens the session of a camera, `rating_files` serves a recording's; `page` and `rate` are the
pages.
"""
