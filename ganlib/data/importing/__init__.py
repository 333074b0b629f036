"""Pictures of any kind on their way to one array: where they lie, what belongs to them, and how each is read.

:mod:`~ganlib.data.importing.files` reaches files in folders and archives; ``folders``, ``table``, ``parquet`` and
``idx_files`` know a layout each, and :func:`ganlib.data.importing.layout.recognise` chooses; ``decode`` turns one
picture into an array; :func:`ganlib.data.importing.run.run` does it for all of them and writes ``data/raw``.
"""
