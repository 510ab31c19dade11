"""Label many videos: `manifest` (jobs) -> `engines` (each runs `worker`; `ray_engine` on Ray) -> `ledger` (results)."""
