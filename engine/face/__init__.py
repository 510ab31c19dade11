"""Faces in a frame: detected, landmarked, tracked, cropped, checked for quality."""
