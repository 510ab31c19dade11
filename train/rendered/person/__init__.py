"""A rendered person, by number: `people` draws shape, look and strength of motion; `head`, `hair` and `expressions`
give the shape; `idle` is motion without affect.
"""
