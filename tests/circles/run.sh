#!/bin/sh
# No file of the library needs a file that needs it: not straight away, and not
# by way of others. What a file needs is what its object leaves undefined; a
# header counts with the sources that include it.
#
# recursive.txt lists the circles that must be. OBJECTS: a file with the objects,
# one a line.
set -eu
here=$(dirname "$0")

# nm names each object before it tells of it.
tr '\n' '\0' <"$OBJECTS" | xargs -0 "$NM" -P -g |
  awk -v build="$BUILD/" -v recursive="$here/recursive.txt" \
    -f "$here/circles.awk"
