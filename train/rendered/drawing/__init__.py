"""Draws a rendered person: surfaces, light, rasterization and the finished picture."""
