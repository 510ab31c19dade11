"""Fault injection for the fault tests and their measurements: an RTSP server, a bad network, misbehaving clients."""
