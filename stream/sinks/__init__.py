"""Where results go: websocket clients, CSV rows, Prometheus metrics, the live view in the terminal."""
