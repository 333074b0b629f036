"""ganlib: versioned data, trained generators, evidence-gated promotion, one ONNX contract.

Importing this package is instant: torch, mlflow and onnxruntime are imported where they are used.
"""

__version__ = "0.1.0"
