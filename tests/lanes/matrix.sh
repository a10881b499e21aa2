#!/usr/bin/env bash
# matrix.sh - the suites that save, on tmpfs and on a disk, with each executor
# (tests/matrix.cmake). Read by `dev`, whose functions it calls.

# The rows, or so many of them, as the seed chooses.
matrix_rows() { # [COUNT]
  tests_of matrix |
    awk -v seed="$SLUICE_SEED" 'BEGIN { srand(seed) } { print rand(), $0 }' |
    sort | awk -v count="${1:-100000}" 'NR <= count { print $2 }'
}

test_matrix() { # [COUNT]
  local log=build/test-matrix.log rows
  say "test: matrix${1:+, $1 rows}"
  rows=$(matrix_rows "${1:-}" | paste -sd '|')
  ctest --preset matrix --parallel "$JOBS" -R "^($rows)\$" 2>&1 |
    tee "$log" || true
  count_results "$log"
  count_skipped dev
}
