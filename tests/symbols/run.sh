#!/bin/sh
# What the shared libraries export begins with sluice_ and a letter: two
# underscores are ours alone. None knows the folder that it was built in: its
# bytes would be others in another. LIBRARIES: their files, a line each.
set -eu
failed=0

while IFS= read -r library; do
  exported=$("$NM" -D --defined-only "$library" | awk '{ print $NF }' |
    sed 's/@@.*//' | grep -v '^SLUICE_[0-9.]*$')
  if ! echo "$exported" | grep -q '^sluice_[a-z]'; then
    echo "$library exports nothing"
    failed=1
  fi
  wrong=$(echo "$exported" | grep -v '^sluice_[a-z]' || true)
  if [ -n "$wrong" ]; then
    echo "$library also exports:"
    echo "$wrong"
    failed=1
  fi
  if "$READELF" -d "$library" | grep -E 'RUNPATH|RPATH' | grep -F "$BUILD"; then
    echo "$library has the path of its folder"
    failed=1
  fi
done <<END
$LIBRARIES
END
exit "$failed"
