"""Building and checking a release: files, wheels of the dependencies, other machines."""
