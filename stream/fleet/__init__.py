"""Many cameras on a bus: a gateway for their clients, and workers that share the cameras. Needs the extra `[nats]`.

directory -> gateway; fleet_file -> placement -> store -> leases -> worker; control shows and changes the store.
"""
