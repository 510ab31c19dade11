"""Many cameras on a bus: a gateway for their clients, and workers that share the cameras. Needs the extra `[nats]`.

directory -> gateway (gateway_metrics); fleet_file -> placement -> store -> leases -> worker; sets: support sets in the
store; recorder: writes what JetStream keeps; control shows and changes the store.
"""
