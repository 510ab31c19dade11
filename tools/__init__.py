"""What the Makefile and a release use; run from the repository's root: `python -m tools.NAME`."""
