"""Streams over NATS: address and connection, what is on the bus, the gateway, the placement of streams on workers.

address -> connection -> subjects -> relayed -> directory -> gateway; fleet_file -> placement -> leases -> worker.
"""
