"""From an image to the crops of its faces.

In the order of the data:

    detector            boxes of faces in a whole image (BlazeFace); boxes: their geometry
    landmarks           468 points of one face (Face Mesh)
    features            from the landmarks: eyes, mouth, 52 coefficients of expression (blendshapes)
    crop                the face as a small grey image with level eyes; pose, sharpness, brightness
    crop_stabilizer     keeps the crop still while the face is still
    stillness           whether a face is measured again, or keeps its crop for some frames
    appearance          tells faces of one scene apart for a few seconds; thumbnail: those of a whole recording
    track_registry      numbers faces and matches them from frame to frame
    face_tracker        all of it for a stream (mediapipe_tracker: with MediaPipe instead, in an offline_thread)
    quality             whether a crop is good enough to be measured
"""
