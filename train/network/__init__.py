"""The Siamese network, its checkpoints, and the export to ONNX."""
