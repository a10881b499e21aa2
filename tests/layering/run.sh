#!/bin/sh
# Nothing includes upwards: with the include paths that a layer is compiled
# with, the headers of the others are not there. Within a layer, includes.txt
# says which room sees which.
# QUEUE_FLAGS, ENGINE_FLAGS, HANDLERS_FLAGS: those paths, a line each (the last
# may be empty).
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# compile FLAGS HEADER: the compiler's word on including HEADER.
compile() {
  printf '#include %s\ntypedef int nothing;\n' "$2" >"$work/unit.c"
  printf '%s\n' "$1" | tr '\n' '\0' |
    xargs -0 "$CC" -std=c11 -D_GNU_SOURCE -fsyntax-only "$work/unit.c" \
      >"$work/said" 2>&1
}

sees() {
  if ! compile "$2" "$3"; then
    echo "$1 does not see $3:"
    cat "$work/said"
    failed=1
  fi
}

# A failure must be for want of the header, not for anything else.
sees_not() {
  if compile "$2" "$3"; then
    echo "$1 sees $3"
    failed=1
  elif ! grep -Eq 'No such file|file not found' "$work/said"; then
    echo "$1 fails on $3 for another reason:"
    cat "$work/said"
    failed=1
  fi
}

sees queue "$QUEUE_FLAGS" '"queue.h"'
sees_not queue "$QUEUE_FLAGS" '<sluice/sluice.h>'
sees_not queue "$QUEUE_FLAGS" '"memory/mem.h"'
sees engine "$ENGINE_FLAGS" '"queue.h"'
sees engine "$ENGINE_FLAGS" '"memory/mem.h"'
sees_not engine "$ENGINE_FLAGS" '<sluice/blob.h>'
sees_not engine "$ENGINE_FLAGS" '<sluice/jemalloc.h>'
if [ -n "$HANDLERS_FLAGS" ]; then
  sees handlers "$HANDLERS_FLAGS" '<sluice/sluice.h>'
  sees handlers "$HANDLERS_FLAGS" '<sluice/blob.h>'
  sees_not handlers "$HANDLERS_FLAGS" '"queue.h"'
  sees_not handlers "$HANDLERS_FLAGS" '"memory/mem.h"'
fi

# A path through ".." would pass by all that.
if grep -rnE '^ *# *include *[<"][^>"]*\.\./' --include='*.[ch]' \
  "$SOURCE/queue" "$SOURCE/engine" "$SOURCE/handlers" "$SOURCE/tool"; then
  echo "an include goes around the include paths"
  failed=1
fi
# libuv belongs to the pump alone.
if grep -rn 'include <uv' --include='*.[ch]' "$SOURCE/queue" |
  grep -v '/pump\.[ch]:'; then
  echo "the queue knows libuv"
  failed=1
fi
# jemalloc belongs to one file.
if grep -rn 'include <jemalloc' --include='*.[ch]' "$SOURCE/queue" \
  "$SOURCE/engine" "$SOURCE/handlers" "$SOURCE/tool" |
  grep -v '/engine/memory/jemalloc\.c:'; then
  echo "jemalloc is named outside of its file"
  failed=1
fi
# Rooms, by the text of includes.
if ! (cd "$SOURCE" && grep -rnE '^ *# *include *[<"]' --include='*.[ch]' \
  queue engine handlers) | awk -f "$here/includes.awk" "$here/includes.txt" -; then
  failed=1
fi
exit "$failed"
