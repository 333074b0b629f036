#!/bin/sh
# Hugging Face's datasets: of two folders of one name whose README.md has the same `configs:` header, load_dataset gives the
# rows of the one that was loaded first for both, since its cache knows a folder by name and header alone. A `description`
# that differs tells them apart. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==25.0.1
cd "$folder"
export HF_HOME="$folder/home" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
cat >look.py <<'EOF'
import sys
from pathlib import Path
import datasets
import pyarrow
import pyarrow.parquet

def loaded(place, rows, more=""):
    folder = Path(place)
    folder.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table({"row": rows}), folder / "part.parquet")
    header = f'---\nconfigs:\n- config_name: default\n{more}  data_files: "*.parquet"\n---\n'
    (folder / "README.md").write_text(header)
    return datasets.load_dataset(place, split="train")["row"][:]

print("datasets", datasets.__version__)
same = [loaded("a/batch", [1, 2]), loaded("b/batch", [3, 4, 5])]
told = [loaded("c/batch", [6], "  description: c\n"), loaded("d/batch", [7, 8], "  description: d\n")]
print("[1, 2] and [3, 4, 5], in folders of one name:", same)
print("[6] and [7, 8], each with a description:     ", told)
sys.exit(same != [[1, 2], [1, 2]] or told != [[6], [7, 8]])
EOF
"$folder/venv/bin/python" look.py
