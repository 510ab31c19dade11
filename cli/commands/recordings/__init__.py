"""Commands that turn recordings into values."""
