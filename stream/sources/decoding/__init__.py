"""Bytes into pictures and sound, by PyAV and OpenCV.

`media_file` opens a video file, `frames` decodes its pictures and those of a network stream, `sound_track` its sound
for a browser; `jpeg` decodes the pictures that a browser sends.
"""
