"""Fitted models -> ONNX, for serving: a file per library, proven equal before it counts."""
