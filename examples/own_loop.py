"""Values of pictures from a loop of your own, here OpenCV's reader: python own_loop.py VIDEO."""

import sys

import cv2
import numpy as np

from mtclar.engine import Tracker

video = cv2.VideoCapture(sys.argv[1])
with Tracker.open() as tracker:
    while True:
        ok, image = video.read()  # BGR, [H, W, 3]
        if not ok:
            break
        t_s = video.get(cv2.CAP_PROP_POS_MSEC) / 1000  # smoothing runs on these times
        for face in tracker(np.asarray(image, np.uint8), t_s):
            print(f"{t_s:.2f} s  face {face.track_id}  V {face.valence}  A {face.arousal}  {face.state}")
