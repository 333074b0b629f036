"""MNIST's judge, which is committed. With ganlib.data.mnist the only place that knows ten digits."""
