"""What the messages of the server add up to: history, support sets, rates, the part in view. No drawing, no elements."""
