"""What a command shows: the `terminal` and `logs`, a page in the `browser`, the screen of a guided calibration."""
