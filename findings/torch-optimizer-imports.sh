#!/bin/sh
# PyTorch: the first optimiser of a process, even SGD over one number, imports torch._dynamo: over 500 modules, SymPy
# among them, and about a second of processor time, though nothing is compiled. `import torch` itself leaves them out.
# Who starts many short trainings (a search, tests, a process a family) pays it in each. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat >"$folder/first.py" <<'EOF2'
import sys
import time

import torch

print("torch", torch.__version__)
there = set(sys.modules)
for name in ("first", "second"):
    began = time.process_time()
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    new = set(sys.modules) - there
    print(f"the {name} optimiser: {time.process_time() - began:.2f} CPU seconds, {len(new)} modules more")
    there |= new
    if name == "first":
        same = len(new) > 500 and {"torch._dynamo", "sympy"} <= new
sys.exit(0 if same else 1)
EOF2
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/first.py"
