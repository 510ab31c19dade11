"""What a TensorRT session is made of: distribution, compiler, cache of engines, device memory, compiled networks."""
