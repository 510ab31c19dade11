"""The bundled clip of a rendered person and the script of her valence and arousal."""
