"""The studio: one server and one page from the choice of a camera to an exported session, in the order of the data.

A page's messages (`protocol`) arrive at `studio`, the extension of the server. `tracking` opens the source that a
person chooses and tracks it until another is chosen; a recorded session plays in its place. `calibrations` opens the
calibration of a participant when their page asks for it. `storage` keeps participants and sessions, `jobs` exports and
analyses on a thread of its own. `pages` are the files of `web`, `phone` is the link with which a phone becomes the
camera.
"""
