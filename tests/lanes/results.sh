#!/usr/bin/env bash
# results.sh - counts what passed, failed and was skipped, and how long it took.
# Read by `dev`.

# The numbers of all runs, for the closing line.
passed=0
failed=0
skipped=0
step_times=()

# step NAME COMMAND...: runs it, and notes how long it took. A step counts its
# own failures; one that cannot even begin is a failure.
step() {
  local name=$1 began=$SECONDS
  shift
  "$@" || failed=$((failed + 1))
  step_times+=("$(printf '%6d s  %s' $((SECONDS - began)) "$name")")
}

# Reads ctest's closing line out of the log FILE.
count_results() {
  local line bad all out
  line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of' "$1" |
    tail -n 1) || true
  if [ -z "$line" ]; then
    failed=$((failed + 1)) # it did not even come to testing
    return
  fi
  bad=$(sed -E 's/.*passed, ([0-9]+) tests failed.*/\1/' <<<"$line")
  all=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$line")
  out=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$1") || true
  failed=$((failed + bad))
  passed=$((passed + all - bad - out))
  skipped=$((skipped + out))
}

# Cases that could not be run here (tests/support/skip.h), out of all that a
# PRESET's tests have printed.
count_skipped() {
  local said=build/$1/Testing/Temporary/LastTest.log list=build/skipped-$1
  [ -f "$said" ] || return 0
  sed -n 's/^SKIPPED //p' "$said" | sort | uniq -c >"$list"
  skipped=$((skipped + $(awk '{ n += $1 } END { print n + 0 }' "$list")))
  [ ! -s "$list" ] || { say "skipped: $1"; cat "$list"; }
}

# The ten that took longest, out of ctest's logs of the steps that were run.
tell_slowest() { # FILE...
  [ $# -gt 0 ] || return 0
  say "the slowest suites"
  awk '/ Test +#[0-9]+: .* sec$/ {
    preset = FILENAME
    sub(/.*test-/, "", preset)
    sub(/\.log$/, "", preset)
    name = $0
    sub(/.*#[0-9]+: /, "", name)
    sub(/ .*/, "", name)
    printf "%8.1f s  %s (%s)\n", $(NF - 1), name, preset
  }' "$@" | sort -rn | head_of 10
}

# As head, but it reads to the end: who writes is not ended by a signal.
head_of() {
  awk -v n="$1" 'NR <= n'
}

tell_steps() {
  [ ${#step_times[@]} -gt 0 ] || return 0
  say "the steps"
  printf '%s\n' "${step_times[@]}"
}

# The last line, alone: what a reader or a machine wants to know.
finish_tests() {
  printf '\n%d passed, %d failed' "$passed" "$failed"
  [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
  printf '\n'
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
