"""Writes the figures, pictures and recorded exchanges of the documentation, and checks its links."""
