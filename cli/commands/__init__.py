"""The commands of `mtclar-stream`, one file each, in folders by what they are for, which are the headings of `--help`:
`live`, `calibration`, `recordings`, `tables`, `networks`, `machine`.
"""
