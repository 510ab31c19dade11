"""Commands that read the tables of the others."""
