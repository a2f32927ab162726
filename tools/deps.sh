#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that are missing, and only those, telling which.
#
# usage: deps.sh run|test|bench|list
#   run    what `make run` needs: compiler, build tools, libraries, curl for the tour
#   test   the above and what the tests need
#   bench  the above and what the benchmarks need
#   list   print all sets, install nothing
# Exit 0 when everything is there afterwards.
set -eu

run="gcc libc6-dev meson ninja-build pkg-config python3 libuv1-dev liblmdb-dev libhttp-parser-dev libssl-dev libgnutls28-dev libcoap3-dev libmosquitto-dev libwslay-dev libunistring-dev curl"
test="libcmocka-dev libcbor-dev libjansson4 clang libclang-rt-14-dev llvm-14 python3-pytest python3-pytest-xdist python3-cbor2 python3-lmdb python3-jwcrypto jose openssl mandoc gnutls-bin libcoap3-bin mosquitto mosquitto-clients python3-websockets python3-cryptography"
bench="wrk gnutls-bin libcoap3-bin"

case "${1:-}" in
run) want=$run ;;
test) want="$run $test" ;;
bench) want="$run $bench" ;;
list)
	printf 'run: %s\ntest: %s\nbench: %s\n' "$run" "$test" "$bench"
	exit 0
	;;
*)
	sed -n '3,11s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

missing_of() {
	for p in "$@"; do
		s=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) || s=
		[ "$s" = installed ] || printf '%s ' "$p"
	done
}

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: this is no Debian system; needed there: $want" >&2
	exit 0
fi
missing=$(missing_of $want)
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null 2>&1; then
	as_root=sudo
else
	cat >&2 <<-END
	deps: not installed: $missing
	Only root may install packages, and there is no sudo here. As root, once (everything else works as an ordinary user):
	    su - -c 'apt-get update && apt-get install -y --no-install-recommends ${missing% }'
	END
	exit 1
fi
echo "deps: installing $missing"
# Package lists may be old or absent on a fresh system.
$as_root apt-get -qq -o DPkg::Lock::Timeout=120 update
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 install --no-install-recommends $missing >/dev/null
