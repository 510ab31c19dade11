"""Where the images of a calibration session come from; `feed` is the interface.

`live_feed`: a camera. `recording_scan` selects frames of a recording; `still_feed` shows them one by one,
`playback_feed` plays it (`frame_cursor`: single frames, while it is paused).
"""
