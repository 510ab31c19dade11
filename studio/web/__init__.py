"""The studio's page: HTML and scripts of the home, from which everything else is opened."""
