"""The browser pages of the server: the dashboard and the page that sends a camera."""
