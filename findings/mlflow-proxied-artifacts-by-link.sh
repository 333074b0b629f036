#!/bin/sh
# MLflow with artifacts behind its server (--artifacts-destination s3://...): unless its variable is set, a client asks
# the server what it can, and then fetches every file, however small, by a presigned link to the server's S3, not from
# the server; what is written about MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD says "default: False", and 500 MB. A client
# that cannot reach the store, or not by the server's name for it, lists artifacts and cannot read them. Uploads of
# small files go by the server. With the variable at false, downloads do, too. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 boto3==1.43.117 'moto[server]==5.2.5'
cat >"$folder/links.py" <<'EOF2'
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

store, wire, server = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
ports = [each.getsockname()[1] for each in (store, wire, server)]
store.close()
server.close()
seen = []


def forward(source, target, log):
    while data := source.recv(65536):
        if log:
            seen.extend(line for line in data.split(b"\r\n") if line.endswith(b" HTTP/1.1"))
        target.sendall(data)
    target.close()


def accept():
    while True:
        client, _ = wire.accept()
        behind = socket.create_connection(("127.0.0.1", ports[0]))
        for pair in ((client, behind, True), (behind, client, False)):
            threading.Thread(target=forward, args=pair, daemon=True).start()


def wait(url):
    for _ in range(600):
        try:
            return urllib.request.urlopen(url, timeout=5)
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


threading.Thread(target=accept, daemon=True).start()
folder = tempfile.mkdtemp()
keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
theirs = os.environ | keys | {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{ports[1]}"}
store_words = [sys.executable, "-m", "moto.server", "-p", str(ports[0])]
started = [subprocess.Popen(store_words, stderr=subprocess.DEVNULL, start_new_session=True)]
try:
    wait(f"http://127.0.0.1:{ports[0]}/moto-api/")
    import boto3

    where = f"http://127.0.0.1:{ports[0]}"
    boto3.client("s3", endpoint_url=where, region_name="us-east-1", aws_access_key_id="a",
                 aws_secret_access_key="b").create_bucket(Bucket="artifacts")
    words = ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", "s3://artifacts",
             "--port", str(ports[2]), "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server_words = [sys.executable, "-m", "mlflow", "server", *words]
    started.append(subprocess.Popen(server_words, env=theirs, start_new_session=True, **quiet))
    url = f"http://127.0.0.1:{ports[2]}"
    wait(f"{url}/health")
    import mlflow

    print("mlflow", mlflow.__version__)
    client = mlflow.MlflowClient(url, url)
    run = client.create_run(client.create_experiment("links")).info.run_id
    counts = {}
    for word in ("unset", "false"):
        if word == "false":
            os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "false"
        for what, act in (
            ("upload", lambda: client.log_text(run, "ten bytes.", f"{word}.txt")),
            ("download", lambda: mlflow.artifacts.download_artifacts(
                run_id=run, artifact_path=f"{word}.txt", tracking_uri=url, dst_path=tempfile.mkdtemp())),
        ):
            seen.clear()
            act()
            counts[word, what] = sum(b"Signature=" in line for line in seen)
            print(f"variable {word}, {what} of ten bytes: {counts[word, what]} requests by a presigned link to S3")
finally:
    for each in reversed(started):
        os.killpg(each.pid, signal.SIGKILL)  # with the processes that it has started
expected = counts["unset", "upload"] == counts["false", "upload"] == counts["false", "download"] == 0
os._exit(0 if expected and counts["unset", "download"] > 0 else 1)
EOF2
cd "$folder" && MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" "$folder/links.py"
