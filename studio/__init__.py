"""The studio: one server and one page from the choice of a camera to an exported session, in the order of the data.

A page's `messages` arrive at `studio`, the extension of the server. `tracking` opens the source that a person chooses,
tracks it until another is chosen, and `replay` plays a recorded session in its place; `calibrations` opens the
calibration of a participant when their page asks for it. `folder` is where participants and sessions are stored,
`participants` and `sessions` read them, `jobs` exports and analyses on a thread of its own. `pages` are the files of
`web`, `phone` is the link with which a phone becomes the camera.
"""
