"""The dashboard page, served by the server; no external requests."""
