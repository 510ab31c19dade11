"""The lines of a face that the calibration page draws over the picture: contour, eyes and mouth."""

from mtclar.engine.data_types import FaceCrop

# Rows of the 468 points of Face Mesh, in drawing order (its canonical face model; the contours are closed).
_UPPER = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
_LOWER = (148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
CONTOUR = (*_UPPER, *_LOWER)
MOUTH = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LINES = (CONTOUR, RIGHT_EYE, LEFT_EYE, MOUTH)


def outline(crop: FaceCrop, size: tuple[int, int]) -> list[list[float]]:
    """Closed lines as x, y, x, y, ... in shares of the picture's width and height."""
    shares = crop.landmarks[:, :2] / (size[0], size[1])
    return [[round(float(value), 4) for value in shares[list(line)].reshape(-1)] for line in LINES]
