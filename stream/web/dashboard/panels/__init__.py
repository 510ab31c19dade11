"""Parts of the dashboard with elements of their own: streams, faces, statistics, picture, thresholds, marks, wall, recording."""
