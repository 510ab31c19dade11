#!/usr/bin/env bash
# Runs the unit under a real systemd: `tools/try_unit.sh`, as root, after tools/try_image.sh, with Debian's systemd-container.
# A machine of systemd-nspawn without a network gets the image's files and Debian's systemd, boots, and tries the unit.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/image
root=$work/machine
builder() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }

container=$(builder from --pull-never localhost/mtclar-stream)
rm -rf "$root"
cp -a "$(builder mount "$container")" "$root"
builder rm "$container" >/dev/null
chroot "$root" sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd-sysv dbus' >/dev/null
install -m 644 deploy/mtclar-stream.service "$root/etc/systemd/system/"
cat > "$root/etc/mtclar-stream.toml" <<'TOML'
source = ["synthetic:320x240@10"]
support = ["none"]
TOML
cat > "$root/etc/systemd/system/try.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/local/bin/try
UNIT
cat > "$root/usr/local/bin/try" <<'SCRIPT'
#!/bin/bash
exec > /tried 2>&1
unit=mtclar-stream
show() { systemctl show $unit --value -p "$1"; }
is() { for try in $(seq "${3:-60}"); do [ "$(show "$1")" = "$2" ] && echo "ok: $4" && return; sleep 1; done; echo "FAILED: $4: $1=$(show "$1")"; }
is ActiveState active 60 "ready"
is StatusText "synthetic live; 0 clients" 60 "its status is the stream's"
python3 -c "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8765/health', timeout=4)" && echo "ok: it is healthy" || echo "FAILED: it is healthy"
systemctl reload $unit && sleep 3
is NRestarts 0 1 "a reload does not end it"
kill -KILL "$(show MainPID)"
is NRestarts 1 30 "restarted after a kill"
is StatusText "synthetic live; 0 clients" 60 "and works"
kill -STOP "$(show MainPID)"
is NRestarts 2 120 "stopped, the watchdog ends it"
is StatusText "synthetic live; 0 clients" 60 "and it works"
began=$SECONDS; systemctl stop $unit
is Result success 1 "asked to stop, it ends in order, after $((SECONDS - began)) s"
echo 'nonsense = 1' >> /etc/mtclar-stream.toml
systemctl start $unit; sleep 5
is ExecMainStatus 2 1 "a wrong configuration is refused"
is ActiveState failed 1 "and not tried again"
journalctl --no-pager --unit $unit --output cat | tail -40
echo end
systemctl poweroff
SCRIPT
chmod 755 "$root/usr/local/bin/try"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../mtclar-stream.service ../try.service "$root/etc/systemd/system/multi-user.target.wants/"
timeout 600 systemd-nspawn --directory "$root" --boot --register=no --keep-unit --private-network --machine mtclar >"$work/boot.log" 2>&1 || true
cat "$root/tried"
grep -qx end "$root/tried" && ! grep -q FAILED "$root/tried"
