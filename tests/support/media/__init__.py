"""Pictures, videos and data sets in miniature for tests."""
