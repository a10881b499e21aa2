# shellcheck shell=sh
# Describes shared libraries, and compares descriptions; read by run.sh.
# here: this folder. work: a folder for what is made. changelog: the file.
: "${here:?}" "${work:?}" "${changelog:?}"

# describe LIBRARY: its description, the same in any folder.
describe() {
  abidw --suppressions "$here/private.suppr" --drop-private-types \
    --exported-interfaces-only --drop-undefined-syms --no-show-locs \
    --no-parameter-names --no-corpus-path --no-comp-dir-path --no-elf-needed \
    --no-write-default-sizes --no-architecture --type-id-style hash \
    --out-file "$work/raw" "$1" || return 1
  # Folders of this machine, and what is the same in each line, left out.
  sed -E -e "s,( path=')[^']*/(engine|handlers|queue)/,\\1\\2/," \
    -e "/<elf-symbol/!s, visibility='default',," "$work/raw" |
    awk -f "$here/order.awk"
}

soname() {
  sed -n "1s/.* soname='\([^']*\)'.*/\1/p" "$1"
}

without_versions() {
  sed -E "s/@+SLUICE_[0-9.]+//; s/ version='SLUICE_[^']*' is-default-version='yes'//" \
    "$1"
}

# diff_abi NAME [OPTION...]: abidiff of $work/old and $work/new. Bits 0 and 1 of
# its exit code mean that it could not compare.
diff_abi() {
  said=$work/$1
  shift
  code=0
  abidiff --ignore-soname "$@" "$work/old" "$work/new" >"$said" 2>&1 || code=$?
  if [ $((code & 3)) -ne 0 ]; then
    cat "$said"
    echo "abidiff does not compare them"
    return 2
  fi
  [ "$code" -eq 0 ]
}

# Programs are never started with a library of another SONAME, whose symbols have
# another node: what else has changed is what counts.
bring_together() {
  if [ "$(soname "$1")" = "$(soname "$2")" ]; then
    cp "$1" "$work/old"
    cp "$2" "$work/new"
    return
  fi
  echo "the SONAME was $(soname "$1") and is $(soname "$2")"
  without_versions "$1" >"$work/old"
  without_versions "$2" >"$work/new"
}

# Where the leaves do not tell what was changed, the functions do that it reaches;
# what cannot be named cannot be announced.
find_breaks() {
  diff_abi leaves --no-added-syms --leaf-changes-only --no-show-locs || true
  awk -f "$here/breaks.awk" "$here/growing.txt" "$work/leaves" >"$work/found"
  if [ ! -s "$work/found" ]; then
    awk -f "$here/breaks.awk" "$here/growing.txt" "$work/report" >"$work/found"
  fi
  [ -s "$work/found" ] || echo "broken (abidiff's-report)" >"$work/found"
  # A host knows the type, not the tag.
  sed -n 's/^broken //p' "$work/found" | sed 's/_[seu]$/_t/' | sort -u \
    >"$work/broken"
}

# unannounced: the broken names that CHANGELOG.md does not announce.
unannounced() {
  awk -f "$here/announced.awk" "$changelog" | sort -u >"$work/announced"
  comm -23 "$work/broken" "$work/announced"
}

# compare STORED NEW: fails, and tells, if a program that was built against
# STORED cannot go on with NEW and CHANGELOG.md does not say so.
compare() {
  bring_together "$1" "$2"
  same=0
  diff_abi report --no-added-syms || same=$?
  [ "$same" -ne 2 ] || return 1
  : >"$work/broken"
  [ "$same" -eq 0 ] || find_breaks
  missing=$(unannounced)
  if [ -n "$missing" ]; then
    cat "$work/leaves"
    echo "no ABI: line of CHANGELOG.md's newest section names:"
    echo "$missing"
    return 1
  fi
  tell_rest
}

# All that is left to tell: nothing, additions, or breaks that are announced.
tell_rest() {
  if [ -s "$work/broken" ]; then
    echo "broken, as announced, renew it by the target renew_abi:" \
      "$(tr '\n' ' ' <"$work/broken")"
  elif ! diff_abi all || [ -s "$work/all" ]; then
    echo "additions, renew it by the target renew_abi"
  fi
}
