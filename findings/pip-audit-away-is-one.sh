#!/bin/sh
# pip-audit with OSV: a database that cannot be reached, or answers 503, is a traceback with exit code 1, the same code as for a
# known vulnerability; so a script cannot tell "something is known" from "nobody was asked". Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1
cd "$folder"
echo 'an-invented-package==1.0' >pins.txt
cat >look.py <<'EOP'
import http.server
import json
import subprocess
import threading

KNOWN = {"vulns": [{"id": "GHSA-toys-toys-toys", "affected": [{
    "package": {"name": "an-invented-package", "ecosystem": "PyPI"},
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}]}]}

class Database(http.server.BaseHTTPRequestHandler):
    status, content = 200, b"{}"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)
    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Database)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}/v1/query"

def audit(url):
    words = ["venv/bin/pip-audit", "-r", "pins.txt", "--no-deps", "--disable-pip", "-s", "osv", "--osv-url", url]
    done = subprocess.run([*words, "--progress-spinner", "off"], capture_output=True, text=True)
    last = (done.stderr.strip().splitlines() or [""])[-1]
    print(done.returncode, "traceback" if "Traceback" in done.stderr else "no traceback", last[:100])
    return done.returncode, "Traceback" in done.stderr

clean = audit(here)
Database.content = json.dumps(KNOWN).encode()
known = audit(here)
Database.status, Database.content = 503, b""
busy = audit(here)
away = audit("http://127.0.0.1:9/v1/query")
raise SystemExit((clean, known, busy, away) != ((0, False), (1, False), (1, True), (1, True)))
EOP
venv/bin/python look.py
