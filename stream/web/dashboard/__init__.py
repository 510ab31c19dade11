"""The dashboard page: HTML and scripts; `index.html` is `/`. No external requests."""
