"""Shared by `run` and `demo`: the served streams, signals and the service manager."""
