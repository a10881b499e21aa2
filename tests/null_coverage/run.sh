#!/bin/sh
# Every public call that takes something is given NULL by
# test_null_arguments.c, but for those of except.txt, which has none in vain.
# DIRS: the folders of public headers.
set -eu
cd "${SOURCE:-.}"
suite=tests/test_null_arguments.c
except=tests/null_coverage/except.txt
failed=0

names=$(for dir in $DIRS; do cat "$dir"/sluice/*.h; done | tr '\n' ' ' |
  grep -o 'SLUICE_EXTERN[^;{]*' |
  sed -n 's/^SLUICE_EXTERN [^(]*\(sluice_[a-z0-9_]*\)( *\(.*\)$/\1 \2/p' |
  grep -v ' void) *$' | cut -d' ' -f1 | sort -u)
if [ "$(echo "$names" | wc -l)" -lt 100 ]; then
  echo "the headers were not understood: $names"
  exit 1
fi
for name in $names; do
  is_called=$(grep -c "\b$name(" "$suite" || true)
  is_excepted=$(grep -c "^$name\$" "$except" || true)
  if [ "$is_called" -eq 0 ] && [ "$is_excepted" -eq 0 ]; then
    echo "$name is not given NULL by $suite"
    failed=1
  elif [ "$is_called" -gt 0 ] && [ "$is_excepted" -gt 0 ]; then
    echo "$name is given NULL: no exception any more"
    failed=1
  fi
done
exit $failed
