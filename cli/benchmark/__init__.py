"""The measurements behind `mtclar-stream bench`: stages, end to end, scaling, two backends side by side, the report."""
