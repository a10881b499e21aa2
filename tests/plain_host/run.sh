#!/bin/sh
# The core loads into a host without jemalloc, and does not ask for it.
# HOST: the program. LIBRARY: the shared core.
set -eu

"$HOST" "$LIBRARY"
needed=$("$READELF" -d "$LIBRARY" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if echo "$needed" | grep jemalloc; then
  echo "$LIBRARY needs jemalloc"
  exit 1
fi
"$READELF" -d "$LIBRARY" | grep -q 'SONAME.*\[libsluice\.so\.[0-9.]*\]'
