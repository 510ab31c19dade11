"""MediaPipe's FaceLandmarker on raw frames: python peer_facelandmarker.py WIDTH HEIGHT TASK, in build/mediapipe.

Landmarks and blendshapes of one face in video mode, which tracks. It runs in a thread without a network, since its
wheels report to their maker.
"""

import itertools
import sys
from typing import Any

from peer_python import answer_blocks  # type: ignore[import-not-found]  # beside this script

from mtclar.engine.face.offline_thread import OfflineThread

FPS = 30


def main() -> None:
    import cv2
    import mediapipe

    vision = mediapipe.tasks.vision
    options = vision.FaceLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=sys.argv[3]),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
        output_face_blendshapes=True,
    )
    thread = OfflineThread()
    landmarker = thread.run(lambda: vision.FaceLandmarker.create_from_options(options))
    numbers = itertools.count()

    def sees_face(frame: Any) -> object:
        rgb = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        )
        t_ms = 1000 * next(numbers) // FPS
        return thread.run(lambda: landmarker.detect_for_video(rgb, t_ms)).face_blendshapes

    answer_blocks(int(sys.argv[1]), int(sys.argv[2]), sees_face)
    thread.close()


if __name__ == "__main__":
    main()
