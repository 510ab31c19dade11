#!/usr/bin/env bash
# Builds the CPU image and runs it: `tools/try_image.sh [--stand-in]`, as root, with Debian's buildah and no daemon.
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

container=$(builder from --pull-never localhost/mtclar-stream)
trap 'builder rm "$container" >/dev/null' EXIT
inside() { builder run --network host "$container" -- "$@"; }
step as user 10001
[ "$(inside id -u)" = 10001 ]
step mtclar-stream doctor
inside mtclar-stream doctor
step 1,000 frames
inside mtclar-stream run --source demo --support none --port 0 --no-live --freshness all --summary-json /data/summary.json
step health check
port=18765
health=$(sed -n 's/^ *CMD \["python", "-c", "\(.*\)"\]$/\1/p' deploy/Containerfile)
inside sh -c '
  mtclar-stream run --source synthetic:320x240@10 --support none --port '$port' --no-live & running=$!
  for try in $(seq 60); do python -c "$0" 2>/dev/null && healthy=yes && break; sleep 1; done
  kill $running && wait $running && [ "$healthy" = yes ] && echo healthy
' "${health//8765/$port}"
step done
