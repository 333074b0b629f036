#!/bin/sh
# MLflow: a PostgreSQL that refuses the password at once is asked ten times, with pauses that double from 0.1 s, so that the
# refusal is told after 100 s. Here what refuses is thirty lines that speak its protocol so far. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 psycopg2-binary==2.9.13 'sqlalchemy<2.1'
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >look.py <<'EOF'
import socketserver
import struct
import sys
import threading
import time

import mlflow

asked = []

class Refusal(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            length, code = struct.unpack("!II", self.request.recv(8))
            self.request.recv(length - 8)
            if code != 80877103:  # a request for TLS, which comes first
                break
            self.request.sendall(b"N")
        asked.append(time.monotonic())
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed for user \"ann\"\0\0"
        self.request.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)

server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal)
threading.Thread(target=server.serve_forever, daemon=True).start()
began = time.monotonic()
try:
    mlflow.MlflowClient(f"postgresql://ann:wrong@127.0.0.1:{server.server_address[1]}/mlflow").search_experiments()
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0][:100])
seconds = time.monotonic() - began
print(f"mlflow {mlflow.__version__} asked {len(asked)} times in {seconds:.0f} s")
sys.exit(len(asked) < 5 or seconds < 50)
EOF
"$folder/venv/bin/python" look.py 2>/dev/null
