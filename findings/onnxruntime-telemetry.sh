#!/bin/sh
# onnxruntime: on Linux, a plain `import onnxruntime` of the package from PyPI makes an identifier of the machine and a
# database of events in the user's cache (Microsoft/DeveloperTools/.onnxruntime), which it uploads, without a word. 1.28
# did nothing of the kind outside Windows. ORT_DISABLE_TELEMETRY=1 before the import leaves nothing behind;
# disable_telemetry_events() comes too late for both files, as the import has made them. Whoever promises that work stays on
# the machine, or runs with a home that is read-only or shared, has to know. Exits with 1 if that changes. Nothing is
# uploaded from here: proxies lead nowhere.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/first.py" <<'EOF2'
import sys
from pathlib import Path

import onnxruntime

if "late" in sys.argv:
    onnxruntime.disable_telemetry_events()
names = sorted(file.name for file in Path.home().rglob("*") if file.is_file())
print("onnxruntime", onnxruntime.__version__, sys.argv[1:], names)
expected = "new" in sys.argv and {"deviceid", "onnxruntime.db"} <= set(names) or "old" in sys.argv and not names
sys.exit(0 if expected else 1)
EOF2
for version in 1.28.0 1.32.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==$version"
done
run() { # VERSION WORD... : with an empty home, and without what tells it that it is in CI
    version=$1
    shift
    rm -rf "$folder/home"
    mkdir "$folder/home"
    env -u CI -u GITHUB_ACTIONS -u GITLAB_CI -u TF_BUILD -u TRAVIS -u JENKINS_URL -u XDG_CACHE_HOME \
        HOME="$folder/home" https_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 \
        "$folder/$version/bin/python" "$folder/first.py" "$@"
}
run 1.28.0 old
run 1.32.0 new
run 1.32.0 new late
ORT_DISABLE_TELEMETRY=1 run 1.32.0 old
