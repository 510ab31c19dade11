"""The rating page: a rater labels a recording, frame by frame or while it plays."""
