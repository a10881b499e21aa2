#!/bin/sh
# No file of code is longer than 500 lines. (clang-tidy measures functions.)
set -eu
cd "${SOURCE:-.}"

long=$(find . \( -name build -o -name .git \) -prune -o \
  -name '*.[ch]' -type f -exec awk '
    END { if (FNR > 500) printf "%s: %d lines\n", FILENAME, FNR }' {} \;)
if [ -n "$long" ]; then
  echo "longer than 500 lines:"
  echo "$long"
  exit 1
fi
