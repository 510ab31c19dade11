"""What is measured from the landmarks of a face: `eyes` and `mouth` (opening, blinks, talking), `blendshapes`."""
