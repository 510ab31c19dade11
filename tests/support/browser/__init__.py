"""A browser for tests: Chromium, its camera, pages that must stay free of errors, a server that a test speaks for."""
