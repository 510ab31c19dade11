"""What a TensorRT session is made of: flavour, compiler, cache of engines, device memory, compiled networks."""
