"""Label many videos: `manifest` (jobs), or the `recordings` of `analyse` -> `engines` (each runs `worker`; `ray_engine`
on Ray) -> `ledger` (results).
"""
