#!/bin/sh
# Prefect: `suspend_flow_run(wait_for_input=...)` saves what the form asks for when the run is suspended already. A process
# that ends in between leaves a run that says Suspended and refuses every answer, for ever. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
cd "$folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_HOME="$folder/home" PREFECT_SERVER_ANALYTICS_ENABLED=0 PREFECT_API_URL="http://127.0.0.1:$port/api"
"$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" >server.log 2>&1 &
server=$!
cat >asking.py <<'EOF'
import os
from prefect import flow, suspend_flow_run
from prefect.input import RunInput

class Form(RunInput):
    answer: str

    @classmethod
    def save(cls, *args, **kwargs):
        if os.environ.get("DIES"):  # as at a SIGKILL or an outage at this moment
            os._exit(9)
        return super().save(*args, **kwargs)

@flow
def asks():
    return suspend_flow_run(wait_for_input=Form, key="answer").answer
EOF
cat >work.py <<'EOF'
import sys
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from asking import asks

with get_client(sync_client=True) as client:
    try:
        run_flow(asks, flow_run=client.read_flow_run(sys.argv[1]))
    except Pause:
        pass
EOF
cat >look.py <<'EOF'
import os, subprocess, sys, time, urllib.request
import prefect
from prefect.client.orchestration import get_client
from asking import asks

for _ in range(600):
    try:
        urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health")
        break
    except OSError:
        time.sleep(0.5)

deployment = asks.to_deployment("here").apply()
print("prefect", prefect.__version__)
found = []
with get_client(sync_client=True) as client:
    for dies in ("", "1"):
        run = client.create_flow_run_from_deployment(deployment)
        subprocess.run([sys.executable, "work.py", str(run.id)], env={**os.environ, "DIES": dies}, capture_output=True)
        state = client.read_flow_run(run.id).state.name
        answers = [client.resume_flow_run(run.id, run_input={"answer": "yes"}) for _ in range(1 if not dies else 2)]
        words = [f"{each.status.value} {getattr(each.details, 'reason', '') or ''}".strip() for each in answers]
        found.append((state, *words))
        print("its process", "ended before the form was saved:" if dies else "went on:", state, words)
refused = "REJECT Run input schema not found."
sys.exit(found != [("Suspended", "ACCEPT"), ("Suspended", refused, refused)])
EOF
"$folder/venv/bin/python" look.py
