#!/bin/bash
# Install edge-all as a service on JetPack 6 and 7, Debian and Raspberry Pi OS. The script can be run repeatedly; it changes
# only what differs from the target state. See docs/service.md.
#
#   sudo deploy/install.sh                      from this checkout, packages from the network
#   sudo deploy/install.sh --wheels FOLDER      without a network; make the folder with deploy/wheels.sh
#   sudo deploy/install.sh --no-start           install only
#   sudo deploy/install.sh --uninstall          remove program and service; keep settings and record
#   sudo deploy/install.sh --uninstall --purge  also remove settings and record
#
# A new version is installed next to the old one, runs its self-check, and takes over. If it does not start, the old one is
# restored and the exit code is 1.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=/opt/edge-all
STATE=/var/lib/edge-all
SETTINGS=/etc/edge-all
UNITS=/etc/systemd/system
RULES=/etc/udev/rules.d/70-edge-all.rules
STARTS_WITHIN_S=90
CHANGED=0

say() { printf 'edge-all: %s\n' "$*"; }
die() { printf 'edge-all: %s\n' "$*" >&2; exit 1; }
changed() { CHANGED=1; say "$*"; }

wheels= start=1 uninstall=0 purge=0 force=0
while [ $# -gt 0 ]; do
  case $1 in
    --wheels) [ $# -ge 2 ] || die "--wheels needs a folder"; wheels=$2; shift ;;
    --no-start) start=0 ;;
    --uninstall) uninstall=1 ;;
    --purge) purge=1 ;;
    --force) force=1 ;;
    -h|--help) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) printf 'edge-all: unknown option %s (see --help)\n' "$1" >&2; exit 2 ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || die "root permission is required: sudo $0"
has_systemd() { [ -d /run/systemd/system ]; }

# -- removing --------------------------------------------------------------------------------------------------------

remove() {
  if has_systemd; then
    local unit
    for unit in $(systemctl list-units --all --plain --no-legend 'edge-all.service' 'edge-all@*.service' | awk '{print $1}'); do
      systemctl disable --now --quiet "$unit" || true
    done
  fi
  rm -rf "$ROOT"
  rm -f "$UNITS/edge-all.service" "$UNITS/edge-all@.service" "$RULES" /usr/local/bin/edge-all
  has_systemd && systemctl daemon-reload
  if [ "$purge" = 1 ]; then
    rm -rf "$STATE" "$STATE"-* "$SETTINGS" /var/log/edge-all /var/log/edge-all-*
    if id edge-all >/dev/null 2>&1; then userdel edge-all; fi
    say "removed, including settings and record"
  else
    say "removed; settings are kept in $SETTINGS and the record in $STATE (--purge removes both)"
  fi
}

if [ "$uninstall" = 1 ]; then remove; exit 0; fi
[ "$purge" = 0 ] || die "--purge requires --uninstall"

# -- detecting the machine -------------------------------------------------------------------------------------------

profile_here() {
  local model=
  [ -r /proc/device-tree/model ] && model=$(tr -d '\0' </proc/device-tree/model)
  case $model in
    *"Orin Nano"*) echo jetson-orin-nano ;;
    *"Orin NX"*) echo jetson-orin-nx ;;
    *"AGX Orin"*) echo jetson-agx-orin ;;
    *Thor*) echo jetson-thor ;;
    *"Raspberry Pi 5"*) echo raspberry-pi-5 ;;
    *) if command -v nvidia-smi >/dev/null; then echo gpu-workstation; elif [ "$(uname -m)" = x86_64 ]; then echo x86-mini-pc; fi ;;
  esac
}

jetpack() { # prints 6 or 7; nothing on other machines
  [ -r /etc/nv_tegra_release ] || return 0
  case $(sed -n 's/^# R\([0-9]*\).*/\1/p' /etc/nv_tegra_release) in
    36) echo 6 ;;
    38|39) echo 7 ;;
    *) die "this Jetson runs neither JetPack 6 nor JetPack 7: flash one of them" ;;
  esac
}

JETPACK=$(jetpack)
PYTHON=$(command -v python3 || true)
[ -n "$PYTHON" ] || die "python3 is missing: apt install python3 python3-venv"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or later is required; this is $("$PYTHON" --version)"
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
  [ -z "$wheels" ] || die "python3-venv is missing: run apt install python3-venv (from local media), then run this script again"
  say "installing python3-venv"
  apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || die "apt could not install python3-venv"
fi

# -- the package and its extras --------------------------------------------------------------------------------------

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 711 "$work" # the service's user runs the self-check in a folder below
if [ -n "$wheels" ]; then
  wheels=$(cd "$wheels" 2>/dev/null && pwd) || die "folder $wheels does not exist"
  wheel=$(ls -t "$wheels"/edge_all-*.whl 2>/dev/null | head -n 1)
  [ -n "$wheel" ] || die "$wheels contains no edge_all-*.whl: make the folder with deploy/wheels.sh"
  constraints=$wheels/constraints.txt
  from=(--no-index --find-links "$wheels")
else
  [ -f "$HERE/../pyproject.toml" ] || die "$HERE is not in a checkout: give a folder of wheels with --wheels"
  "$PYTHON" -m venv "$work/build"
  "$work/build/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" "$HERE/.." || die "the package could not be built"
  wheel=$(ls "$work"/edge_all-*.whl)
  constraints=$HERE/../constraints.txt
  from=()
fi
[ -f "$constraints" ] || die "$constraints is missing: make the folder with deploy/wheels.sh"

extras=web,report,service
# NVIDIA's onnxruntime-gpu and our onnxruntime are the same import package; ours would overwrite it.
if ! "$PYTHON" -c 'import onnxruntime' 2>/dev/null; then extras=$extras,cpu; fi
if [ -n "$JETPACK" ] && ! "$PYTHON" -c 'import pycuda' 2>/dev/null; then
  if [ -z "$wheels" ] || ls "$wheels"/pycuda-* >/dev/null 2>&1; then
    extras=$extras,jetson
    PATH=$PATH:/usr/local/cuda/bin # the build needs nvcc, which is not in sudo's PATH
  else
    say "$wheels contains no pycuda, so TensorRT will not be used. To use it, build the wheel on a Jetson with a network and the same Python (PATH=\$PATH:/usr/local/cuda/bin pip wheel pycuda), copy it to the folder and run this script again"
  fi
fi

# The version id depends on the wheel's contents, not on when it was packed.
contents() { "$PYTHON" - "$1" <<'P'
import hashlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    print(hashlib.sha256("".join(sorted(f"{i.filename}{i.CRC}" for i in z.infolist())).encode()).hexdigest())
P
}
number=$(basename "$wheel" | cut -d- -f2)
id=$number-$({ contents "$wheel"; cat "$constraints"; echo "$extras"; "$PYTHON" --version; } | sha256sum | cut -c1-10)
version=$ROOT/versions/$id

# -- user and folders ------------------------------------------------------------------------------------------------

if ! id edge-all >/dev/null 2>&1; then
  useradd --system --user-group --no-create-home --home-dir "$STATE" --shell /usr/sbin/nologin edge-all
  changed "user edge-all created"
fi
for group in video render; do
  getent group "$group" >/dev/null || { groupadd --system "$group"; changed "group $group created"; }
  if ! id -nG edge-all | tr ' ' '\n' | grep -qx "$group"; then usermod -aG "$group" edge-all; changed "user edge-all added to group $group"; fi
done
if [ ! -d "$SETTINGS" ]; then install -d -m 755 "$SETTINGS"; changed "$SETTINGS created"; fi
if [ ! -d "$STATE" ]; then install -d -m 750 -o edge-all -g edge-all "$STATE"; changed "$STATE created"; fi
if ! ls "$SETTINGS"/*.toml >/dev/null 2>&1; then
  here=$(profile_here)
  { echo "# This device's settings. 'edge-all config show' lists those in effect; docs/profiles.md lists all settings."
    echo "inherits = \"${here:-default}\""; } >"$SETTINGS/device.toml"
  changed "$SETTINGS/device.toml created with profile ${here:-default}"
fi

# -- the new version, next to the old one ----------------------------------------------------------------------------

as_edge_all() { setpriv --reuid edge-all --regid edge-all --init-groups --reset-env "$@"; }

if [ ! -f "$version/complete" ]; then
  say "installing $id"
  rm -rf "$version"; mkdir -p "$ROOT/versions"
  # The venv uses the system's tensorrt, gi, libcamera and onnxruntime-gpu, and does not modify them.
  "$PYTHON" -m venv --system-site-packages "$version"
  if ! "$version/bin/python" -m pip install --quiet --disable-pip-version-check "${from[@]}" --constraint "$constraints" "$wheel[$extras]"; then
    rm -rf "$version"
    die "the packages could not be installed; the previous version keeps running"
  fi
  check=$work/check; install -d -m 700 -o edge-all -g edge-all "$check"
  if ! as_edge_all env EDGE_ALL_STATE="$check" EDGE_ALL_CONFIG="$SETTINGS" "$version/bin/edge-all" doctor --only program,models; then
    rm -rf "$version"
    die "version $id failed its self-check; the previous version keeps running"
  fi
  touch "$version/complete"
  changed "version $id installed"
fi

# -- system files ---------------------------------------------------------------------------------------------------

put() { # FILE TARGET MODE
  cmp -s "$1" "$2" && return 0
  if [ -f "$2" ]; then install -D -p -m "$3" "$2" "$work/files-before$2"; fi
  install -D -m "$3" "$1" "$2"
  changed "$2 written"
  return 0
}
before=$CHANGED; CHANGED=0
put "$HERE/edge-all.service" "$UNITS/edge-all.service" 644
put "$HERE/edge-all@.service" "$UNITS/edge-all@.service" 644
units=$CHANGED; CHANGED=0
put "$HERE/70-edge-all.rules" "$RULES" 644
rules=$CHANGED; CHANGED=0
put "$HERE/edge-all" /usr/local/bin/edge-all 755
CHANGED=$((before | units | rules | CHANGED))
if has_systemd && [ "$units" = 1 ]; then systemctl daemon-reload; fi
if has_systemd && [ "$rules" = 1 ] && command -v udevadm >/dev/null; then
  udevadm control --reload 2>/dev/null && udevadm trigger --subsystem-match=video4linux 2>/dev/null || true
fi

# -- taking over -----------------------------------------------------------------------------------------------------

point_to() { ln -sfn "$1" "$ROOT/current.new" && mv -T "$ROOT/current.new" "$ROOT/current"; }

comes_up() { # start the service and wait until it answers
  systemctl restart edge-all.service || return 1
  local end=$((SECONDS + STARTS_WITHIN_S)) pid
  pid=$(systemctl show -p MainPID --value edge-all.service)
  while [ "$SECONDS" -lt "$end" ]; do
    if "$ROOT/current/bin/edge-all" session status --json >"$work/status" 2>/dev/null || grep -q '"phase"' "$work/status" 2>/dev/null; then
      sleep 2
      [ "$(systemctl show -p MainPID --value edge-all.service)" = "$pid" ] && return 0
      return 1
    fi
    sleep 1
  done
  return 1
}

# A unit of the new version must not start the old version, so the previous files are restored.
files_before() {
  [ -d "$work/files-before" ] || return 0
  local file
  find "$work/files-before" -type f | while read -r file; do cp -p "$file" "${file#"$work/files-before"}"; done
  systemctl daemon-reload
}

# The old version cannot read a record that was migrated by the new version, so the backup from before the upgrade is restored.
# The newer record is set aside; the next start recovers its data from crops and sidecars.
record_before() {
  local folder backup aside
  for folder in "$STATE/record" "$STATE"-*/record; do
    backup=$(find "$folder/backups" -name 'record-*-before-*.sqlite3' -newer "$work/taking-over" 2>/dev/null | sort | tail -n 1 || true)
    [ -n "$backup" ] || continue
    aside=$folder/rolled-back-$(date +%Y%m%d-%H%M%S)
    install -d -m 750 -o edge-all -g edge-all "$aside"
    mv "$folder"/record.sqlite3* "$aside/"
    cp --preserve=mode,ownership "$backup" "$folder/record.sqlite3"
    say "restored the record from before the upgrade in $folder"
  done
}

running() { # STATUS COMMAND of a service or an instance: succeeds if it has a session
  local status # exit code 1 only means that there is a problem, with or without a session
  status=$("$@" --json 2>/dev/null || true)
  grep -qE '"phase": "(running|paused|starting)"' <<<"$status"
}
instances() { systemctl list-units --plain --no-legend 'edge-all@*.service' | awk '{print $1}' | sed 's/^edge-all@//; s/\.service$//'; }

old=$(readlink -f "$ROOT/current" 2>/dev/null || true)
[ -d "${old:-/nonexistent}" ] || old=
if [ "$old" != "$version" ]; then
  if [ -n "$old" ] && [ "$force" = 0 ] && has_systemd; then
    if running "$old/bin/edge-all" session status; then
      die "a session is running: stop it first (edge-all session stop), or use --force. $id is ready in $version"
    fi
    for instance in $(instances); do
      if running "$old/bin/edge-all" session status --instance "$instance"; then
        die "a session is running on edge-all@$instance: stop it first, or use --force. $id is ready in $version"
      fi
    done
  fi
  touch "$work/taking-over"
  point_to "$version"
  changed "$ROOT/current now points to $id"
  if has_systemd && [ "$start" = 1 ] && ! comes_up; then
    journalctl --no-pager -q -n 20 -u edge-all.service >&2 || true
    if [ -n "$old" ]; then
      systemctl stop edge-all.service || true
      point_to "$old"
      rm -f "$version/complete"
      files_before
      record_before
      systemctl reset-failed edge-all.service || true
      comes_up || die "version $id did not start, and neither did $(basename "$old"): see journalctl -u edge-all"
      die "version $id did not start: rolled back to $(basename "$old")"
    fi
    die "version $id did not start: see journalctl -u edge-all"
  fi
  if has_systemd && [ "$start" = 1 ]; then # the other microscopes of this machine
    for instance in $(instances); do systemctl restart "edge-all@$instance.service" || say "edge-all@$instance does not start: see journalctl"; done
  fi
  # Keep the previous version for a manual rollback; remove all others.
  for kept in "$ROOT"/versions/*; do
    if [ "$kept" != "$version" ] && [ "$kept" != "$old" ]; then rm -rf "$kept"; fi
  done
elif has_systemd && [ "$start" = 1 ] && { [ "$units" = 1 ] || ! systemctl is-active --quiet edge-all.service; }; then
  if ! comes_up; then
    [ -d "$work/files-before" ] || die "the service does not start: see journalctl -u edge-all"
    files_before
    systemctl reset-failed edge-all.service || true
    comes_up || die "the service does not start, even with the previous unit: see journalctl -u edge-all"
    die "the service does not start with the new unit: restored the previous unit"
  fi
  changed "service started"
fi
if has_systemd && [ "$start" = 1 ] && ! systemctl is-enabled --quiet edge-all.service; then
  systemctl enable --quiet edge-all.service
  changed "service enabled at boot"
fi

if [ "$CHANGED" = 0 ]; then say "$id is installed; nothing to change"; else say "$id is installed"; fi
