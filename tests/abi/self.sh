# shellcheck shell=sh
# That the check finds what it is for: a small library, changed in each way that
# matters. Read by run.sh.
: "${here:?}" "${work:?}" "${CC:?}"

# sample FLAGS...: the description of the library so changed, in $work/sample.
sample() {
  "$CC" -std=c11 -g -shared -fPIC -I"$here/sample/include" \
    "-Wl,-soname,${soname:-libsample.so.1}" "$@" "$here/sample/sample.c" \
    -o "$work/libsample.so"
  describe "$work/libsample.so" >"$work/sample"
}

# expect WORDS FLAGS...: whether compare passes it, and what it says.
expect() {
  words=$1
  shift
  sample "$@"
  got=passes
  compare "$work/base" "$work/sample" >"$work/told" 2>&1 || got=fails
  if ! echo "$got $(cat "$work/told")" | tr '\n' ' ' | grep -Eq "^$words *\$"
  then
    fail "sample $*: expected $words, got: $got"
    cat "$work/told"
  fi
}

announce() {
  printf '# Changes\n\n## 2\n\n%s\n\n## 1\n\n- ABI: sluice_box_close\n' "$1" \
    >"$changelog"
}

changelog=$work/CHANGELOG.md
additions='passes additions, renew it by the target renew_abi'
announce 'Nothing.'
sample
cp "$work/sample" "$work/base"

expect passes -DSAME
expect passes -DPRIVATE
expect "$additions" -DADDED
expect "$additions" -DGROWN
expect "$additions" -DMORE_COLORS
expect 'fails .*names: sluice_box_close' -DREMOVED
expect 'fails .*names: sluice_box_paint' -DPARAMETER
expect 'fails .*names: sluice_box_new' -DCALLBACK
expect 'fails .*names: sluice_color_t' -DRENUMBERED
expect 'fails .*names: sluice_corner_t' -DFIXED_GROWN
expect 'fails .*names: sluice_box_options_t' -DINSERTED
expect 'fails .*names: sluice_box_options_t' -DRETYPED
expect 'fails .*names: sluice_box_options_t' -DIN_A_HOLE
expect 'fails .*names: sluice_box_options_t' -DGROWN -DRETYPED
expect 'fails .*names: sluice_box_close sluice_box_options_t' -DREMOVED \
  -DINSERTED -DADDED

announce '- ABI: sluice_box_options_t is made
  anew, and sluice_box_close is gone.'
expect 'passes broken, as announced, .*' -DREMOVED -DINSERTED
expect 'fails .*names: sluice_color_t' -DREMOVED -DRENUMBERED

soname=libsample.so.2
expect 'passes the SONAME .*broken, as announced, .*' -DREMOVED
expect 'fails the SONAME .*names: sluice_color_t' -DRENUMBERED

: >"$work/sample"
if compare "$work/base" "$work/sample" >"$work/told" 2>&1; then
  fail "an empty description passes"
fi
