#!/bin/sh
# Prefect: registering a deployment again switches on what a person switched off in its page: the paused deployment, its
# schedule, and the automation of its trigger, which is deleted and made anew. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.8.8 'fastapi<0.151' 'sqlalchemy<2.1'
cd "$folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_HOME="$folder/home" PREFECT_SERVER_ANALYTICS_ENABLED=0 PREFECT_API_URL="http://127.0.0.1:$port/api"
"$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" >server.log 2>&1 &
server=$!
cat >flows.py <<'EOF'
from prefect import flow

@flow
def nightly(): ...
EOF
cat >look.py <<'EOF'
import sys, time, urllib.request, os
import prefect
from prefect.client.orchestration import get_client
from prefect.events import DeploymentEventTrigger
from flows import nightly

for _ in range(600):
    try:
        urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health")
        break
    except OSError:
        time.sleep(0.5)

def register():
    trigger = DeploymentEventTrigger(name="on data", expect={"data.changed"})
    return nightly.to_deployment("here", cron="0 3 * * *", triggers=[trigger]).apply()

def state():
    deployment = client.read_deployment(identity)
    (automation,) = client.read_automations_by_name("on data")
    return {"deployment": not deployment.paused, "schedule": deployment.schedules[0].active, "automation": automation.enabled}

identity = register()
with get_client(sync_client=True) as client:
    client.pause_deployment(identity)
    client.update_deployment_schedule(identity, client.read_deployment(identity).schedules[0].id, active=False)
    client.pause_automation(client.read_automations_by_name("on data")[0].id)
    before = state()
    register()
    after = state()
print("prefect", prefect.__version__)
print("switched on, before it is registered again:", before)
print("switched on, afterwards:                   ", after)
sys.exit(any(before.values()) or not all(after.values()))
EOF
"$folder/venv/bin/python" look.py
