#!/usr/bin/env bash
# Builds the CPU image and runs it: `tools/try_image.sh [--stand-in]`, as root, with Debian's buildah and podman and no daemon.
# RUNTIME=runc: another runtime than podman's own, such as where cgroups are mixed.
# --stand-in: where no registry can be reached, a minimal Debian with its own Python (mmdebstrap) takes the base's place.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/image
base=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' deploy/Containerfile)
export BUILDAH_ISOLATION=chroot
mkdir -p "$work"
builder() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }
step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

pull=--pull-always  # never the stand-in of an earlier run, which has the base's name
if [ "${1:-}" = --stand-in ]; then
  step stand-in for "$base"
  tar=$work/stand-in.tar
  [ -s "$tar" ] || mmdebstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$tar"
  one=$(builder from scratch)
  builder add --quiet "$one" "$tar"
  place=$(builder mount "$one")
  ln -sf python3 "$place/usr/bin/python"
  cp -L /etc/ssl/certs/ca-certificates.crt "$place/etc/ssl/certs/"  # pip shall trust what this machine trusts
  builder umount "$one" >/dev/null
  builder config --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$one"
  builder commit --quiet --rm "$one" "$base"
  pull=--pull-never
fi

step build
# The format of docker: an image of OCI's own has no health check.
builder build $pull --format docker --network host --tag mtclar-stream --file deploy/Containerfile .

# The container as deploy/compose.yaml runs it: a root that cannot be written, no capabilities, and here no network at all.
engine() { podman --root "$work/store" --runroot "$work/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file \
  ${RUNTIME:+--runtime "$RUNTIME"} "$@"; }
name=mtclar-try-$$
step camera, tracker, dashboard
engine run --detach --name "$name" --pull never --no-healthcheck --read-only --tmpfs /tmp --cap-drop all \
  --security-opt no-new-privileges --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 localhost/mtclar-stream \
  run --source synthetic:320x240@10 --support none --no-live >/dev/null
trap 'engine rm --force "$name" >/dev/null' EXIT
inside() { engine exec "$name" "$@"; }
step as user 10001, who can write to /data and /tmp alone
[ "$(inside id -u)" = 10001 ]
inside sh -c 'touch /data/a /tmp/a; for place in / /home /opt/mtclar-stream /usr; do ! touch $place/a 2>&- || exit 1; done'
step health check and page
health=$(sed -n 's/^ *CMD \["python", "-c", "\(.*\)"\]$/\1/p' deploy/Containerfile)
for try in $(seq 60); do inside python -c "$health" 2>&- && break; [ "$try" -lt 60 ]; sleep 1; done
inside python -c 'import urllib.request as r; assert b"<html" in r.urlopen("http://127.0.0.1:8765/").read()'
step mtclar-stream doctor
inside mtclar-stream doctor --json | grep '"ok": true' >/dev/null
step demo
inside mtclar-stream demo --freshness all --no-live --port 0 --once
step the end
engine stop --time 20 "$name" >/dev/null
[ "$(engine inspect --format '{{.State.ExitCode}}' "$name")" = 0 ]
step done
