"""Makes the shipped networks and the head model from their sources, and their int8 forms."""
