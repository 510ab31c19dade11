"""Draws a rendered person: `paint` (textures), `shading` (light), `raster` (triangles to pixels), `renderer` (all)."""
