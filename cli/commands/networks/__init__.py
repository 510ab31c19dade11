"""Commands that train, measure and convert networks."""
