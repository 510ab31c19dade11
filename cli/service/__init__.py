"""Shared by commands that serve streams: `service` (the running server), `given_supports` and `calibration` (whom it
knows and can calibrate), `signals`, `systemd`, and `fleet` for the commands of a fleet.
"""
