"""Shared parts of tests: fakes of hardware, small networks, websocket clients."""
