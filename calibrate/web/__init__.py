"""Calibration in the browser: sessions, messages, previews and the page itself."""
