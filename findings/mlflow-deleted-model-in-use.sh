#!/bin/sh
# MLflow: a logged model that a registered version stands for can be deleted. The version stays READY with its alias, the next
# `mlflow gc` takes its file, and no call of the client takes the deletion back, as restore_run and restore_experiment do for
# theirs. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cat >look.py <<'EOF'
import subprocess, sys
from pathlib import Path
import mlflow

client = mlflow.MlflowClient()
experiment = client.create_experiment("e", artifact_location=(Path.cwd() / "artifacts").as_uri())
model = client.create_logged_model(experiment, "m").model_id
Path("weights").write_text("1")
client.log_model_artifact(model, "weights")
client.finalize_logged_model(model, "READY")
client.create_registered_model("r")
client.create_model_version("r", f"models:/{model}", model_id=model)
client.set_registered_model_alias("r", "champion", "1")
client.delete_logged_model(model)

def state():
    return client.get_model_version_by_alias("r", "champion").status, len(list(Path("artifacts").rglob("weights")))

before = state()
subprocess.run(["venv/bin/mlflow", "gc", "--backend-store-uri", mlflow.get_tracking_uri()], check=True, capture_output=True)
after, calls = state(), [name for name in dir(client) if name.startswith("restore")]
print("mlflow", mlflow.__version__)
print("champion's status and files, after its logged model was deleted:", before)
print("the same after gc:                                              ", after)
print("calls that take a deletion back:", calls)
sys.exit((before, after) != (("READY", 1), ("READY", 0)) or "restore_logged_model" in calls)
EOF
"$folder/venv/bin/python" look.py 2>/dev/null
