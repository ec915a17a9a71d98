#!/bin/sh
# Build a Debian package from a folder of wheels (made by deploy/wheels.sh) with dpkg-deb: deploy/deb.sh WHEELS [OUT]
# The package runs install.sh without a network. Removing it keeps settings and record; purging it removes them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "deb.sh: give the folder of wheels (made by deploy/wheels.sh)" >&2; exit 2; }
wheels=$1 out=${2:-.}
wheel=$(ls -t "$wheels"/edge_all-*.whl 2>/dev/null | head -n 1)
[ -n "$wheel" ] || { echo "deb.sh: $wheels contains no edge_all-*.whl" >&2; exit 1; }
version=$(basename "$wheel" | cut -d- -f2)
# The wheels of numpy and others are built for one architecture.
case $(ls "$wheels") in
  *aarch64*) architecture=arm64 ;;
  *x86_64*) architecture=amd64 ;;
  *) echo "deb.sh: unknown architecture of the wheels in $wheels" >&2; exit 1 ;;
esac
tree=$(mktemp -d); trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
install -d "$tree/DEBIAN" "$tree/usr/share/edge-all/deploy" "$tree/usr/share/edge-all/wheels" "$tree/usr/share/doc/edge-all"
install -m 755 "$here/install.sh" "$here/edge-all" "$tree/usr/share/edge-all/deploy/"
install -m 644 "$here/edge-all.service" "$here/edge-all@.service" "$here/70-edge-all.rules" "$tree/usr/share/edge-all/deploy/"
install -m 644 "$wheels"/*.whl "$wheels/constraints.txt" "$tree/usr/share/edge-all/wheels/"
install -m 644 "$here/../LICENSE" "$tree/usr/share/doc/edge-all/copyright"
cat >"$tree/DEBIAN/control" <<C
Package: edge-all
Version: $version
Architecture: $architecture
Maintainer: edge-all <edge-all@localhost>
Section: science
Priority: optional
Depends: python3 (>= 3.10), python3-venv, passwd, util-linux
Description: finds leukocytes in blood smears and flags lymphoblasts
 Runs as a service with a microscope camera and provides web pages for live view and review.
 Research use only, not a diagnosis.
C
cat >"$tree/DEBIAN/postinst" <<'C'
#!/bin/sh
set -e
if [ "$1" = configure ]; then /usr/share/edge-all/deploy/install.sh --wheels /usr/share/edge-all/wheels; fi
C
cat >"$tree/DEBIAN/prerm" <<'C'
#!/bin/sh
set -e
if [ "$1" = remove ]; then /usr/share/edge-all/deploy/install.sh --uninstall; fi
C
cat >"$tree/DEBIAN/postrm" <<'C'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
  rm -rf /var/lib/edge-all /var/lib/edge-all-* /etc/edge-all /var/log/edge-all /var/log/edge-all-*
  if id edge-all >/dev/null 2>&1; then userdel edge-all; fi
fi
C
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"
mkdir -p "$out"
# The wheels are already compressed.
dpkg-deb --root-owner-group -Znone --build "$tree" "$out/edge-all_${version}_$architecture.deb"
