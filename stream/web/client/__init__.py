"""The JavaScript client: the server serves it to its own pages, and it is a package for npm."""
