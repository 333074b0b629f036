#!/bin/sh
# Prefect: a server with PREFECT_SERVER_UI_SERVE_BASE writes its pages, with that path in them, into the installed package,
# from which every other server of the same installation serves its own: their pages then ask for scripts that are not
# there. PREFECT_SERVER_UI_STATIC_DIRECTORY keeps them apart. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
servers=
trap 'kill $servers 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.8.8 'fastapi<0.151' 'sqlalchemy<2.1'
cat >"$folder/look.py" <<'EOF2'
import re, sys, time, urllib.error, urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(600):
    try:
        page = urllib.request.urlopen(f"{url}{sys.argv[2]}").read().decode()
        break
    except OSError:
        time.sleep(0.5)
script = re.findall(r'src="([^"]+\.js)"', page)[0]
try:
    answer = urllib.request.urlopen(url + script)
    kind = answer.headers["content-type"].partition(";")[0]
except urllib.error.HTTPError as error:
    kind = str(error.code)
print(re.sub(r"/assets/.*", "", script) or "/", kind)
EOF2
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
serve() { # PORT HOME [NAME=VALUE]: a server of its own home
    env PREFECT_HOME="$folder/$2" PREFECT_SERVER_ANALYTICS_ENABLED=0 PREFECT_API_URL="http://127.0.0.1:$1/api" "${3:-A=}" "${4:-B=}" \
        "$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$1" >"$folder/$2.log" 2>&1 &
    servers="$servers $!"
}
first=$(free)
serve "$first" one
before=$(python3 "$folder/look.py" "$first" /)
second=$(free)
serve "$second" two PREFECT_SERVER_UI_SERVE_BASE=/below
python3 "$folder/look.py" "$second" /below/ >/dev/null
after=$(python3 "$folder/look.py" "$first" /)
echo "prefect 3.8.8: the first server's page and its script: $before; once a server below /below has started: $after"
test "$before" != "$after"
