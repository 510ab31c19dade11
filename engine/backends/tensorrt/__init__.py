"""The parts of a TensorRT session.

From the package to a run:

    distribution    TensorRT for data-centre cards or for RTX cards, imported by name
    builder         typed ONNX graph -> serialised engine
    cache           engines on the disk
    ahead_of_time   engines compiled for other machines
    cuda_driver     checked calls of the CUDA driver, and CUDA graphs
    device          device memory, streams and CUDA graphs (device_cuda_bindings, device_pycuda)
    network         one compiled network on one card
"""
