"""Parts of the dashboard with controls of their own: marks, thresholds, the picture, the wall."""
