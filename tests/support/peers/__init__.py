"""Programs at the other end: browsers, websocket clients, cameras that serve, brokers, inlets."""
