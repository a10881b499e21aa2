#!/bin/sh
# No file of code is longer than 500 lines (clang-tidy measures functions), and
# no line of a document is wider than 120 columns: a wide row of a table is two.
set -eu
cd "${SOURCE:-.}"
failed=0

long=$(find . \( -name build -o -name .git \) -prune -o \
  -name '*.[ch]' -type f -exec wc -l {} + |
  awk '$1 > 500 && $2 != "total" { printf "%s: %d lines\n", $2, $1 }')
if [ -n "$long" ]; then
  echo "longer than 500 lines:"
  echo "$long"
  failed=1
fi

# Columns, not bytes.
wide=$(find . \( -name build -o -name .git \) -prune -o -name '*.md' -type f \
  -exec env LC_ALL=C.UTF-8 grep -nE '^.{121}' /dev/null {} + || true)
if [ -n "$wide" ]; then
  echo "wider than 120 columns:"
  echo "$wide"
  failed=1
fi
exit "$failed"
