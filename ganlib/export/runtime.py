"""The one place that makes onnxruntime sessions, so that parity is measured on what generation runs."""

from __future__ import annotations

from typing import Any

from ganlib.errors import BadInput, GanlibError

PROVIDER = "CPUExecutionProvider"


def open_session(data: bytes, name: str) -> Any:
    """An ``onnxruntime.InferenceSession`` over the bytes of a model that :func:`contract.describe` accepted.

    The session runs each call on the calling thread alone. Callers get parallelism by calling from several
    threads, which measures as fast as splitting each operator and keeps an image's bytes independent of the
    number of cores.

    Raises:
        BadInput: onnxruntime cannot run the graph. ``name`` names it in the message.
        GanlibError: onnxruntime chose another execution provider than the one asked for.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # failures reach the user as our exceptions, not as lines on standard error
    try:
        session = onnxruntime.InferenceSession(data, options, providers=[PROVIDER])
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise BadInput(f"onnxruntime cannot run {name}: {first_line(error)}") from error
    used = session.get_providers()[0]
    if used != PROVIDER:
        raise GanlibError(f"onnxruntime runs {name} on {used} instead of {PROVIDER}; nothing was generated.")
    return session


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its type's name."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
