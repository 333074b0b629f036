#!/bin/sh
# model-signing: installed by itself it cannot be imported. It imports OpenSSL, and neither it nor what it depends on asks
# for pyOpenSSL. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check model-signing==1.1.1 sigstore==4.5.1
echo "model-signing 1.1.1, sigstore 4.5.1"
if "$folder/venv/bin/python" -c 'import model_signing.signing' 2>"$folder/error"; then
    echo "imported"
    exit 1
fi
tail -n 1 "$folder/error"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyopenssl==26.4.0
"$folder/venv/bin/python" -c 'import model_signing.signing; print("with pyOpenSSL 26.4.0: imported")'
