"""The drawings of the dashboard."""
