#!/bin/sh
# Builds the servers that the tests run against, where the tests look for them. Needs Go; does nothing the second time.
set -eu

versitygw=1.8.0

folder="${ALLUXIOFS_SERVERS:-$HOME/.cache/alluxiofs-servers}"
mkdir -p "$folder/bin"

if ! command -v go >/dev/null; then
    echo "install-servers.sh: Go is needed to build versitygw $versitygw (https://go.dev/dl/)" >&2
    exit 1
fi
# The program built this way does not know its own version; Go does.
if go version -m "$folder/bin/versitygw" 2>/dev/null | grep -F versity/versitygw | grep -qF "v$versitygw"; then
    echo "versitygw $versitygw is there: $folder/bin/versitygw"
    exit 0
fi
echo "building versitygw $versitygw (a few minutes)"
CGO_ENABLED=0 GOBIN="$folder/bin" go install "github.com/versity/versitygw/cmd/versitygw@v$versitygw"
echo "built: $folder/bin/versitygw"
