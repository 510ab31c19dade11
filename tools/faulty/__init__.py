"""A bad day made to order, for the fault tests and for what measures them: an RTSP server, a bad network, a client."""
