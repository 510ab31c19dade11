"""Back ends that run the networks, chosen by name and imported when chosen.

The contract first, then its implementations and the graphs that they compile:

    session               the protocols InferenceSession and Backend; opens networks by name
    measured_choice       which back end is fastest on this processor, kept in the user's cache
    onnxruntime_session   ONNX Runtime on the CPU, or on a card (the default)
    tensorrt_session      TensorRT, made of the package tensorrt
    torch_session         torch, a yardstick for the others
    typed_onnx            graphs in other precisions, or partitioned at a bound input
    quantized_onnx        graphs with int8 or fp8 convolutions
    triton_repository     the networks for NVIDIA's Triton Inference Server
"""

BACKENDS = {
    "onnxruntime": "mtclar.engine.backends.onnxruntime_session:OnnxRuntimeSession",
    "tensorrt": "mtclar.engine.backends.tensorrt_session:TensorRtSession",
    "tensorrt-rtx": "mtclar.engine.backends.tensorrt_session:TensorRtSession",
    "torch": "mtclar.engine.backends.torch_session:TorchSession",
}
"""Name on the command line -> module and class of a Backend. A variant may follow: tensorrt:fp32, onnxruntime:cuda."""
