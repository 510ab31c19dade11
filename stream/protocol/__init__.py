"""The messages of `mtclar.v1`: what the server sends and what clients may send, with their schema."""
