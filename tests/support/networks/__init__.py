"""Small and faked networks, and fakes of the drivers that run them."""
