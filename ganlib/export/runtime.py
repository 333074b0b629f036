"""The one place that makes onnxruntime sessions, so that parity is measured on what generation runs."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from ganlib.core.errors import BadInput, GanlibError, unknown
from ganlib.core.progress import doing

PROVIDER = "CPUExecutionProvider"
PROVIDERS = {"cpu": PROVIDER, "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""onnxruntime's names of what users ask for."""


def require_provider(name: str) -> str:
    """``name``, if it is one of :data:`PROVIDERS`.

    Raises:
        BadInput: it is not; the nearest one is offered.
    """
    if name not in PROVIDERS:
        raise unknown("provider", name, PROVIDERS)
    return name


def load() -> ModuleType:
    """Return the module ``onnxruntime``, which reports nothing to its makers unless the user has said otherwise.

    From version 1.29 on its packages send what they run to Microsoft on Linux and macOS too, and keep a database and an
    identifier of the machine in the user's cache. It looks at the variable once, when it is imported first.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


@doing("open the graph")
def open_session(data: bytes, name: str, provider: str = "cpu", *, allow_cpu: bool = False) -> Any:
    """An ``onnxruntime.InferenceSession`` over the bytes of a model that :func:`contract.describe` accepted.

    The session runs each call on the calling thread alone. Callers get parallelism by calling from several
    threads, which measures as fast as splitting each operator and keeps an image's bytes independent of the
    number of cores.

    Args:
        data: the file's bytes.
        name: names it in messages.
        provider: one of :data:`PROVIDERS`. Operators that it lacks run on the CPU, as onnxruntime has it.
        allow_cpu: take the processor where the provider is not to be had, instead of failing.

    Raises:
        BadInput: onnxruntime cannot run the graph, no such provider, or it is not installed.
        GanlibError: onnxruntime chose another execution provider than the one asked for.
    """
    onnxruntime = load()
    provider_name = PROVIDERS[require_provider(provider)]
    if provider_name not in (there := onnxruntime.get_available_providers()) and not allow_cpu:
        raise BadInput(
            f"this onnxruntime has no {provider_name}, only {', '.join(there)}; nothing was generated. Install "
            "onnxruntime-gpu "
            "in its place, or allow the processor instead: --allow-cpu."
        )
    chain = [provider_name, PROVIDER] if provider_name in there and provider_name != PROVIDER else [PROVIDER]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # failures reach the user as our exceptions, not as lines on standard error
    try:
        session = onnxruntime.InferenceSession(data, options, providers=chain)
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise BadInput(f"onnxruntime cannot run {name}: {first_line(error)}") from error
    actual = session.get_providers()[0]  # a driver that is missing is no exception there: it falls back in silence
    if actual != provider_name and not allow_cpu:
        raise GanlibError(
            f"onnxruntime runs {name} on {actual} instead of {provider_name}; nothing was generated. Mend the driver, "
            "or allow "
            "the processor instead: --allow-cpu."
        )
    return session


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its type's name."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
