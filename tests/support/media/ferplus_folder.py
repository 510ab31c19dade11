"""A FER+ folder in miniature: stripes whose number encodes the expression, in the real layout."""

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.train.data.ferplus import LABELS, PICTURE_SIZE, SHEET_COLUMNS, SHEET_ROWS, VOTES

COLUMNS = ("index", "sheet", "tile", "name", "usage", *VOTES, "twin_group", "twin_in_other_split")
USAGES = ("Training", "Training", "Training", "PublicTest", "PrivateTest")
TILES = SHEET_COLUMNS * SHEET_ROWS


def face(expression: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Noisy level stripes [48, 48], one more for each expression."""
    rows = np.sin(2 * np.pi * (expression + 1) * np.arange(PICTURE_SIZE) / PICTURE_SIZE)
    noise = random.normal(0, 10, (PICTURE_SIZE, PICTURE_SIZE))
    return np.clip(128 + 80 * rows[:, None] + noise, 0, 255).astype(np.uint8)


def write(folder: Path, count: int) -> Path:
    """`count` faces over as many sheets as they need, expressions and splits in turn; the folder."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(5)
    rows = []
    sheets: dict[int, NDArray[np.uint8]] = {}
    for index in range(count):
        expression = index % len(EXPRESSIONS)
        sheet, tile = index % 2, TILES - 1 - index // 2  # two sheets, filled from their last tile
        tiles = sheets.setdefault(sheet, np.zeros((TILES, PICTURE_SIZE, PICTURE_SIZE), np.uint8))
        tiles[tile] = face(expression, random)
        votes = [0] * len(VOTES)
        votes[expression] = 8
        votes[(expression + 1) % len(EXPRESSIONS)] = 2
        usage = USAGES[index // len(EXPRESSIONS) % len(USAGES)]
        rows.append([index, sheet, tile, f"fer{index:07d}", usage, *votes, 0, 0])
    for sheet, tiles in sheets.items():
        grid = tiles.reshape(SHEET_ROWS, SHEET_COLUMNS, PICTURE_SIZE, PICTURE_SIZE).transpose(0, 2, 1, 3)
        picture = grid.reshape(SHEET_ROWS * PICTURE_SIZE, SHEET_COLUMNS * PICTURE_SIZE)
        cv2.imwrite(str(folder / f"sheet_{sheet:02d}.png"), picture)
    write_labels(folder, rows)
    return folder


def write_labels(folder: Path, rows: list[list[object]]) -> None:
    """labels.csv of these rows, in the order of COLUMNS."""
    with (folder / LABELS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def read_labels(folder: Path) -> list[list[str]]:
    """The rows of labels.csv without its header."""
    with (folder / LABELS).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]
