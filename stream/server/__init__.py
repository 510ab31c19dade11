"""The websocket and HTTP server: connections, quotas, access, pages and message routing."""
