#!/bin/sh
# Prefect beside jsonschema's format checks: `jsonschema[format-nongpl]`, which CycloneDX's validator asks for, brings
# rfc3987-syntax. jsonschema imports it wherever it is installed, and its import compiles a grammar of IRIs for over a
# second of processor time. Prefect imports jsonschema, so every process of a flow pays it, though no IRI is ever
# looked at: here `import prefect` takes about twice as long. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.8.8 jsonschema==4.26.0
cat >"$folder/seconds.py" <<'EOF2'
import subprocess
import sys
from importlib.metadata import version

CODE = "import sys, time, prefect; print(time.process_time(), 'rfc3987_syntax' in sys.modules)"


def seconds():
    """Of processor time until Prefect is there: the least of three, after one that writes the bytecode."""
    found = [subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(4)]
    words = [each.stdout.split() for each in found[1:]]
    return min(float(time) for time, _ in words), words[0][1] == "True"


before, there = seconds()
print(f"import prefect: {before:.2f} CPU seconds; imports rfc3987_syntax: {there}")
words = ["install", "--quiet", "--disable-pip-version-check", "cyclonedx-python-lib[json-validation]==11.12.0"]
subprocess.run([sys.executable, "-m", "pip", *words], check=True)
print("rfc3987-syntax", version("rfc3987-syntax"), "and jsonschema", version("jsonschema"))
after, here = seconds()
print(f"beside cyclonedx-python-lib[json-validation]: {after:.2f} CPU seconds; imports rfc3987_syntax: {here}")
sys.exit(not (not there and here and after > 1.4 * before))
EOF2
"$folder/venv/bin/python" "$folder/seconds.py"
