"""Makes a support set of labelled pictures: python calibrate_from_images.py OUT.mtclar LABELS.csv.

Each line of LABELS.csv names a picture of one person with its valence and arousal in [-1, 1]: smile.png,0.7,0.3
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np

from mtclar.engine import SupportSet

out, labels_file = map(Path, sys.argv[1:])
with labels_file.open(newline="") as file:
    rows = list(csv.reader(file))
images = [np.asarray(cv2.imread(str(labels_file.parent / name)), np.uint8) for name, _, _ in rows]
labels = [(float(valence), float(arousal)) for _, valence, arousal in rows]
support = SupportSet.from_images(images, labels)
support.save(out)
print(f"{out}: {len(support)} frames")
