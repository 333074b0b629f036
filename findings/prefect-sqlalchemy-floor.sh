#!/bin/sh
# Prefect and the lowest SQLAlchemy that it says it takes: `prefect` 3.8.8 asks for `sqlalchemy>=2.0`, and pip is content
# with 2.0.15. Its server then cannot be imported, as it imports sqlalchemy.dialects.postgresql.operators, which 2.0.16
# was the first to have; the client can. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
install prefect==3.8.8 "fastapi<0.151" sqlalchemy==2.0.15
cat >"$folder/look.py" <<'EOF2'
import importlib
import sys
from importlib.metadata import requires, version


def answer(module):
    """What its import says."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        return str(error)
    return "imported"


asked = [each for each in requires("prefect") or [] if each.lower().startswith("sqlalchemy")]
client, server = answer("prefect"), answer("prefect.server.api.server")
print(f"prefect {version('prefect')} asks for {asked}; SQLAlchemy {version('sqlalchemy')}: client {client}; server: {server}")
sys.exit(not (client == "imported" and (server == "imported") == (sys.argv[1] == "whole")))
EOF2
"$folder/venv/bin/pip" check --disable-pip-version-check
"$folder/venv/bin/python" "$folder/look.py" broken
install sqlalchemy==2.0.16
"$folder/venv/bin/python" "$folder/look.py" whole
