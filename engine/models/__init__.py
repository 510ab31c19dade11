"""The bundled networks, each with a card that says what it is and its sha256."""
