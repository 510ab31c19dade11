"""What the messages of the server add up to: history, support sets, rates, and the part in view."""
