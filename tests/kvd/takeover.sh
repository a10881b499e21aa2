#!/bin/sh
# kvd handed over while clients are served: redis-benchmark's, redis-cli's, and
# those of check.c, who know every answer. KVD, PEER, CHECK: the programs.
# $1: fast or sweep.
# shellcheck disable=SC1091,SC2154,SC2016 # rig.sh sets what is used here
set -u
. "$(dirname "$0")/rig.sh"

socket=$work/handover
check_pid=

info() { # NAME
  cli info handover | tr -d '\r' | sed -n "s/^$1://p"
}

# succeed OPTIONS...: the next kvd takes over, the one before ends by itself.
succeed() {
  before=$kvd_pid
  mv "$work/kvd.out" "$work/before.out"
  "$KVD" --takeover "$socket" --handover "$socket" --dir "$work" "$@" \
    >"$work/kvd.out" 2>"$work/kvd.err" &
  kvd_pid=$!
  wait_for grep -q 'listening on\|not taken over\|cannot' "$work/kvd.out" \
    "$work/kvd.err"
  if ! grep -q 'listening on' "$work/kvd.out"; then
    kvd_pid=$before
    die "not handed over: $(cat "$work/before.out")"
  fi
  wait "$before" || wrong "the old kvd ended with $?: $(cat "$work/before.out")"
  grep -q 'kvd: handed over: ' "$work/before.out" ||
    wrong "not handed over: $(cat "$work/before.out")"
  [ ! -s "$work/kvd.err" ] || wrong "kvd said: $(cat "$work/kvd.err")"
}

begin_check() { # CLIENTS DEPTH
  "$CHECK" "$port" "$@" >"$work/check.out" 2>"$work/check.err" &
  check_pid=$!
  load_pids="$load_pids $check_pid"
  wait_for grep -q asking "$work/check.out"
}

end_check() {
  kill -TERM "$check_pid"
  wait "$check_pid" ||
    wrong "check: $? $(cat "$work/check.out" "$work/check.err")"
  check_pid=
}

# Of redis-benchmark: any error ends it, or is told.
begin_benchmark() { # OPTIONS...
  redis-benchmark -p "$port" -l -q -n 100000 "$@" >"$work/benchmark.out" 2>&1 &
  benchmark_pid=$!
  load_pids="$load_pids $benchmark_pid"
}

end_benchmark() {
  kill -0 "$benchmark_pid" 2>/dev/null ||
    wrong "redis-benchmark has ended: $(tail -c 500 "$work/benchmark.out")"
  kill "$benchmark_pid" 2>/dev/null
  wait "$benchmark_pid" 2>/dev/null
  ! grep -qiE 'error|reset|closed|refused' "$work/benchmark.out" ||
    wrong "redis-benchmark: $(grep -aiE 'error|reset|closed|refused' \
      "$work/benchmark.out" | head -n 3)"
}

# --- with traffic ---

# Take-overs one after the other, under all three kinds of clients.
in_a_row() { # COUNT OPTIONS OF ALL KVDS...
  count=$1
  shift
  start --handover "$socket" "$@"
  begin_check 20 16
  begin_benchmark -t set,get,incr,mset -c 20 -P 16 -d 500 -r 10000
  for i in $(seq "$count"); do
    succeed "$@"
    [ "$(info takeovers)" = "$i" ] || wrong "takeovers: $(info takeovers)"
    [ "$failed" -eq 0 ] || break
  done
  [ "$(info takeover_clients)" -ge 40 ] || wrong "clients were not taken over"
  end_benchmark
  end_check
  stop
}

case $1 in
fast)
  in_a_row 10
  in_a_row 10 --memfd
  ;;
sweep)
  in_a_row 100
  in_a_row 100 --memfd
  ;;
*) die "fast or sweep?" ;;
esac
[ "$failed" -eq 0 ] && echo "kvd take-overs: $1 passed"
exit "$failed"
