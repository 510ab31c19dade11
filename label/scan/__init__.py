"""The frames and faces of a recording. In the order of the data: `recording` (frames and their times), `face_scan`
(detect, crop, encode), `scan_journal` (the finished part, on disk), `people` (which faces are one person).
"""
