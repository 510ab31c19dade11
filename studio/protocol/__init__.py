"""The messages of the studio's home page, with their schema: an extension of `mtclar.v1`."""
