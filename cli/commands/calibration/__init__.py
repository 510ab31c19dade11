"""Commands that make and keep support sets."""
