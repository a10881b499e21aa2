#!/bin/sh
# A program that was built against the stored description of a shared library
# can be started with what is built now, or CHANGELOG.md says what it cannot go
# on using.
#
# LIBRARIES: a file with the libraries, one a line. With --renew, what is stored
# is made anew, under the same condition.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changelog=$SOURCE/CHANGELOG.md
failed=0

for tool in abidw abidiff; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is missing (Debian: abigail-tools)"
    exit 1
  fi
done
# shellcheck source-path=SCRIPTDIR
. "$here/compare.sh"

fail() {
  echo "$*"
  failed=1
}

# check_library LIBRARY NAME
check_library() {
  stored=$here/$2.abi
  describe "$1" >"$work/described" || return 1
  if ! grep -q '<function-decl' "$work/described"; then
    echo "$1 has no debug information"
    return 1
  fi
  if [ "$mode" = --renew ] && [ ! -e "$stored" ]; then
    cp "$work/described" "$stored"
  fi
  if [ ! -e "$stored" ]; then
    echo "$stored is missing"
    return 1
  fi
  compare "$stored" "$work/described" || return 1
  [ "$mode" != --renew ] || cp "$work/described" "$stored"
}

mode=${1:-}
while IFS= read -r library; do
  name=$(basename "$library")
  name=${name%%.so*}
  echo "$name"
  check_library "$library" "$name" || fail "$name: see docs/abi.md"
done <"$LIBRARIES"

if [ "$mode" != --renew ]; then
  # shellcheck source-path=SCRIPTDIR
  . "$here/self.sh"
fi
exit "$failed"
