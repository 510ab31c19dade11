"""The browser pages of the server: dashboard, camera page, and the files that pages share."""
