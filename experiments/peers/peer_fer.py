"""fer (pip) on raw frames, in an environment of its own: python peer_fer.py WIDTH HEIGHT."""

import sys

from peer_python import answer_blocks  # type: ignore[import-not-found]  # beside this script


def main() -> None:
    from fer import FER

    detector = FER()  # its own OpenCV face detector, every frame: fer has no tracking
    width, height = int(sys.argv[1]), int(sys.argv[2])
    answer_blocks(width, height, detector.detect_emotions)


if __name__ == "__main__":
    main()
