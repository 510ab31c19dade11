"""An example face for each region of the affect grid, rendered: no real person. Made by tools.docs.example_faces."""
