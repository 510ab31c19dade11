#!/usr/bin/env bash
# A release in an empty Debian: `tools/release/try_debian.sh SUITE [PYTHON]`, as root, with debootstrap, after `make release`.
# Makes build/SUITE with nothing but a Python (trixie has 3.13, sid 3.14), installs dist/ there as a user would, by
# hashes alone, and runs --version, doctor and demo as a user without rights; then the same wheel by `uv tool install`, and the
# demo of that. Where pip or uv need a proxy or an index of their own, their variables (PIP_*, UV_*, SSL_CERT_*) are handed
# over, and the certificates of this machine with them.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=${1:?a suite of Debian: bookworm, trixie, sid}
python=${2:-python3}
root=$PWD/build/$suite
dist=${DIST:-dist}
if [ ! -x "$root/usr/bin/$python" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include="$python,$python-venv,ca-certificates" "$suite" "$root" >/dev/null
  chroot "$root" useradd --create-home visitor
fi
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
cp /etc/hosts "$root/etc/hosts"
[ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$root/etc/resolv.conf"
rm -rf "$root/home/visitor/"{dist,venv}
mkdir "$root/home/visitor/dist"
cp "$dist"/* "$root/home/visitor/dist/"
chroot "$root" chown -R visitor /home/visitor
mount --bind /proc "$root/proc"
trap 'umount "$root/proc"' EXIT
mapfile -t handed < <(env | grep -E '^(PIP_|UV_|SSL_CERT_)' | grep -v '^PIP_FIND_LINKS' || true)
chroot "$root" setpriv --reuid=visitor --regid=visitor --clear-groups env -i "${handed[@]}" HOME=/home/visitor \
  PATH=/usr/bin:/bin LANG=C.UTF-8 COLUMNS=100 bash -euc "
cd; $python --version; (cd dist; sha256sum --check --quiet SHA256SUMS)
SECONDS=0
$python -m venv venv
venv/bin/pip install --quiet --require-hashes --only-binary=:all: -r dist/requirements.txt
venv/bin/pip install --quiet --no-deps dist/*.whl
echo \"installed after \$SECONDS s\"
venv/bin/mtclar-stream --version | head -2
venv/bin/mtclar-stream doctor | tail -1
venv/bin/mtclar-stream demo --freshness all --no-live --port 0 --summary-json demo.json | tail -12
echo \"done after \$SECONDS s; now by uv\"
$python -m venv of-uv
of-uv/bin/pip install --quiet uv
of-uv/bin/uv tool install --quiet --no-managed-python --constraints dist/requirements.txt ./dist/*.whl
.local/bin/mtclar-stream --version | head -1
.local/bin/mtclar-stream demo --freshness all --no-live --port 0 --summary-json uv.json | grep 'calibrated'
echo \"done after \$SECONDS s\""
