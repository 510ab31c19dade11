"""The measurements behind `mtclar-stream bench`.

`effort` says how much is measured, on the pictures of `material`: `stages`, `end_to_end` (a `server` and its `clients`
in processes of their own, a card watched by `gpu`, every step recorded by `trace`) and `scaling`; `compare` measures
two backends side by side; `report` writes the results.
"""
