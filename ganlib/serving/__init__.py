"""Images over HTTP: requests share calls of onnxruntime, models change underneath without a request noticing."""
