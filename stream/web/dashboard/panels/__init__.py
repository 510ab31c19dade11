"""Parts of the dashboard with elements of their own: streams, faces, picture, thresholds, marks, wall, recording."""
