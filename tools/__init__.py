"""Programs of the Makefile and of a release; run from the repository's root: `python -m tools.NAME`."""
