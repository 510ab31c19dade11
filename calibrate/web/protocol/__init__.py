"""The messages of the calibration page, with their schema: an extension of `mtclar.v1`."""
