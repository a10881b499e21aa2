#!/bin/sh
# Every public header compiles alone, twice over, and beside <uv.h> in either
# order; as C11 and as C++17, without a warning. So does a table of fields as a
# C++20 host writes it.
# DIRS: the include directories. UV_CFLAGS: libuv's.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

# unit FIRST SECOND: includes both, and has something of its own, as ISO C wants.
unit() {
  printf '#include %s\n#include %s\nextern int unit;\n' "$1" "$2" >"$work/unit"
}

# try WHAT HEADER COMPILER FLAGS...: compiles $work/unit.
try() {
  what=$1 name=$2
  shift 2
  for dir in $DIRS; do
    set -- "$@" "-I$SOURCE/$dir"
  done
  # shellcheck disable=SC2086
  if ! "$@" -Wall -Wextra -Wpedantic -Wundef -Werror $UV_CFLAGS \
    -fsyntax-only "$work/unit"; then
    echo "<sluice/$name> does not compile as $what"
    failed=1
  fi
}

# try_both HEADER [FLAGS...]
try_both() {
  tried=$1
  shift
  try C11 "$tried" "$CC" -std=c11 -pedantic-errors -Wstrict-prototypes "$@" \
    -x c
  if [ -n "$CXX" ]; then
    try C++17 "$tried" "$CXX" -std=c++17 -pedantic-errors "$@" -x c++
  fi
}

for folder in $DIRS; do
  for path in "$SOURCE/$folder"/sluice/*.h; do
    header=$(basename "$path")
    count=$((count + 1))
    unit "<sluice/$header>" "<sluice/$header>"
    try_both "$header"
    # <uv.h> itself needs more than C11.
    unit "<uv.h>" "<sluice/$header>"
    try_both "$header" -D_GNU_SOURCE
    unit "<sluice/$header>" "<uv.h>"
    try_both "$header" -D_GNU_SOURCE
  done
done

if [ -n "$CXX" ]; then
  cp "$SOURCE/tests/headers/table.cpp" "$work/unit"
  try C++20 fields.h "$CXX" -std=c++20 -pedantic-errors -x c++
fi

echo "$count headers"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
