"""The dashboard page, served by the broadcaster; no external requests."""
