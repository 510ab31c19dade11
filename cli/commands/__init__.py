"""The commands of `mtclar-stream`, one file each, in folders by what they are for."""
