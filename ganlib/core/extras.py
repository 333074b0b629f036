"""Libraries that few need: extras of this package, imported where they are used."""

from __future__ import annotations

from importlib import import_module

from ganlib.core.errors import BadInput


def require_extra(extra: str, module: str, what: str) -> None:
    """Import ``module``, which comes with the ``extra`` of this package, for what ``what`` names.

    Raises:
        BadInput: it is not installed, or cannot be imported.
    """
    try:
        import_module(module)
    except ImportError as error:
        raise BadInput(
            f"{what} needs packages that are not installed: pip install 'ganlib[{extra}]' ({error}). "
            "Nothing was written."
        ) from None
