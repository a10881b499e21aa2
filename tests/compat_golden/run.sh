#!/bin/sh
# Images of every released version load into what is built now: the schema of
# today's program against the golden ones, by the tool, as a CI job would. A
# change that breaks must be found, too. TOOL, WRITER: the two programs.
set -eu
golden=$SOURCE/tests/golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect CODE OLD NEW [OPTION...]
expect() {
  code=$1 old=$2 new=$3
  shift 3
  got=0
  "$TOOL" compat "$@" "$old" "$new" >"$work/said" 2>&1 || got=$?
  if [ "$got" -ne "$code" ]; then
    echo "compat $* $old $new: exit code $got, expected $code"
    cat "$work/said"
    failed=1
  fi
}

# expect_said TEXT: in what the last one said.
expect_said() {
  if ! grep -q -F -e "$1" "$work/said"; then
    echo "'$1' is not in:"
    cat "$work/said"
    failed=1
  fi
}

"$WRITER" 1 "$work/1"
"$WRITER" 2 "$work/2"
"$WRITER" broken "$work/broken"

# The bytes of a schema may not change either: old tools read them.
for version in 1 2; do
  if ! cmp "$work/$version" "$golden/fields-v$version.schema"; then
    echo "the schema of version $version is not what it was"
    failed=1
  fi
done

expect 0 "$golden/fields-v1.schema" "$work/2"
expect_said "port/0: trigger: added"
expect_said "old images into the new program: yes"
expect_said "new images into the old program: NO"
expect 1 "$golden/fields-v1.schema" "$work/2" --both
expect 0 "$golden/fields-v2.schema" "$work/2" --both

for version in 1 2; do
  expect 1 "$golden/fields-v$version.schema" "$work/broken"
  expect_said "port/0: "
  expect_said "old images into the new program: NO"
done
expect 1 "$golden/fields-v1.schema" "$work/broken" --json
expect_said '"old_images_load":false'

exit "$failed"
