"""Programs at the other end: websocket clients, cameras that serve, brokers, inlets."""
