"""The websocket and HTTP server: listener, access, pages, routing of messages; clients/ holds its connections."""
