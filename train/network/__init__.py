"""The Siamese network: `architecture`, `evaluation` without a support set, `checkpoint`, and `export` to ONNX."""
