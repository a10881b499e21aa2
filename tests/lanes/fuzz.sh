#!/usr/bin/env bash
# fuzz.sh - looks for input that breaks a reader. Read by `dev`, whose functions
# it calls.

# The targets are what has a corpus.
fuzz_targets() {
  local folder
  for folder in tests/fuzz/corpus/*/; do
    basename "$folder"
  done
}

# fuzz_target NAME SECONDS: begins with the corpus, keeps what it learns out of
# the repository. Long inputs teach nothing new about a queue.
fuzz_target() {
  local name=$1 seconds=$2 learned=build/fuzz-corpus/$1 max_len=40000
  local log=build/fuzz-$1.log
  [ "$name" != queue ] || max_len=2000
  say "fuzz: $name, $seconds s"
  mkdir -p "$learned" build/fuzz-found
  ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16:malloc_context_size=8} \
    build/fuzz/tests/fuzz/fuzz_"$name" -max_total_time="$seconds" \
    -timeout="${FUZZ_TIMEOUT:-60}" -rss_limit_mb=2048 -max_len="$max_len" \
    -print_final_stats=1 -artifact_prefix="build/fuzz-found/$name-" \
    "$learned" tests/fuzz/corpus/"$name" >"$log" 2>&1 || {
    tail -n 60 "$log"
    return 1
  }
  grep -E '^(Done|stat::number_of_executed_units|stat::peak_rss_mb)' "$log"
}

run_fuzz() { # [TARGET] [SECONDS]
  local targets=() name
  mapfile -t targets < <(fuzz_targets)
  [ $# -eq 0 ] || [ "$1" = all ] || targets=("$1")
  need "${BUILD_DEPS[@]}" "${TEST_DEPS[@]}" "${FUZZ_DEPS[@]}"
  build fuzz "${targets[@]/#/fuzz_}"
  for name in "${targets[@]}"; do
    fuzz_target "$name" "${2:-60}" || die "$name: see build/fuzz-found"
  done
}

# fuzz_all SECONDS: every target, two at a time; each counts as a test.
fuzz_all() {
  local seconds=$1 name targets=()
  mapfile -t targets < <(fuzz_targets)
  need "${FUZZ_DEPS[@]}"
  say "test: fuzz, $seconds s each: ${targets[*]}"
  if ! build fuzz "${targets[@]/#/fuzz_}"; then
    printf 'fuzz does not build\n'
    failed=$((failed + 1))
    return
  fi
  mkdir -p build/fuzz-done
  rm -f build/fuzz-done/*
  export -f fuzz_target say
  # shellcheck disable=SC2016 # the inner shell's own
  printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c \
    'fuzz_target "$1" "$2" && touch build/fuzz-done/"$1"' - {} "$seconds" || true
  for name in "${targets[@]}"; do
    if [ -e "build/fuzz-done/$name" ]; then
      passed=$((passed + 1))
    else
      printf 'fuzz target %s: see build/fuzz-found\n' "$name"
      failed=$((failed + 1))
    fi
  done
}
