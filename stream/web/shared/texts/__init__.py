"""The words of the pages, one table for each language."""
