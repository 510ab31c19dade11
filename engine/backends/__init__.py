"""Inference back ends behind one session protocol: ONNX Runtime, TensorRT, torch."""
