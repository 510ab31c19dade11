"""The commands of `mtclar-stream`, one file each."""
