"""How the commands and programs of documentation pages are run."""
