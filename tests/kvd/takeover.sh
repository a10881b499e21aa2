#!/bin/sh
# kvd handed over while clients are served: redis-benchmark's, redis-cli's, and
# those of check.c, who know every answer. KVD, PEER, CHECK: the programs.
# $1: fast or sweep.
# shellcheck disable=SC1091,SC2154,SC2016,SC3045 # rig.sh sets what is used here
set -u
. "$(dirname "$0")/rig.sh"

socket=$work/handover
check_pid=

# Of a sweep a run takes one step in so many, as tests/support/sample.h says.
sample=${SLUICE_TEST_SAMPLE:-1}
first_step=$((${SLUICE_SEED:-$(date +%s)} % sample + 1))

info() { # NAME
  cli info handover | tr -d '\r' | sed -n "s/^$1://p"
}

# Whether the next kvd, which is begun, takes over.
takes_over() { # OPTIONS...
  "$KVD" --takeover "$socket" --handover "$socket" --dir "$work" "$@" \
    >"$work/kvd.out" 2>"$work/kvd.err" &
  kvd_pid=$!
  wait_for grep -q 'listening on\|not taken over\|cannot' "$work/kvd.out" \
    "$work/kvd.err"
  grep -q 'listening on' "$work/kvd.out"
}

# succeed OPTIONS...: the next kvd takes over, the one before ends by itself.
# Where a busy machine lets a second pass in vain it is tried once more.
succeed() {
  before=$kvd_pid
  mv "$work/kvd.out" "$work/before.out"
  until takes_over "$@"; do
    wait "$kvd_pid"
    kvd_pid=$before
    grep -q ETIMEDOUT "$work/kvd.err" "$work/before.out" ||
      die "not handed over: $(cat "$work/before.out")"
  done
  wait "$before" || wrong "the old kvd ended with $?: $(cat "$work/before.out")"
  grep -q 'kvd: handed over: ' "$work/before.out" ||
    wrong "not handed over: $(cat "$work/before.out")"
  [ ! -s "$work/kvd.err" ] || wrong "kvd said: $(cat "$work/kvd.err")"
}

begin_check() { # CLIENTS DEPTH
  "$CHECK" "$port" "$@" >"$work/check.out" 2>"$work/check.err" &
  check_pid=$!
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
}

end_benchmark() {
  ! grep -q '^State:.Z' "/proc/$benchmark_pid/status" ||
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
  begin_check 40 16
  begin_benchmark -t set,get,incr,mset -c 20 -P 16 -d 500 -r 10000
  for i in $(seq "$count"); do
    succeed "$@"
    [ "$(info takeovers)" = "$i" ] || wrong "takeovers: $(info takeovers)"
    [ "$failed" -eq 0 ] || break
  done
  # Those of check.c; redis-benchmark's may be between two of its rounds.
  [ "$(info takeover_clients)" -ge 40 ] || wrong "clients were not taken over"
  end_benchmark
  end_check
  stop
}

# --- one by one ---

# Clients in the midst of something, over take-overs of both ways. Nothing of it
# is left in the heap afterwards.
in_the_midst() {
  start --handover "$socket"
  empty=$(used_memory)
  "$ACROSS" "$port" >"$work/across.out" 2>"$work/across.err" &
  across_pid=$!
  wait_for grep -q ready "$work/across.out"
  succeed
  succeed --memfd
  [ "$(info takeover_way)" = copied ] || wrong "$(info takeover_way), not copied"
  succeed
  [ "$(info takeover_way)" = memfd ] || wrong "$(info takeover_way), not memfd"
  succeed
  kill -TERM "$across_pid"
  wait "$across_pid" || wrong "$(cat "$work/across.err")"
  says OK flushall
  wait_for sh -c "redis-cli -p $port info memory | tr -d '\r' |
    grep -q '^used_memory:$empty\$'"
  stop
}

used_memory() {
  cli info memory | tr -d '\r' | sed -n 's/^used_memory://p'
}

# A client that waits for SAVE gets its answer from the successor; so does who
# asked for BGSAVE get an image.
while_saving() { # COMMAND
  rm -f "$work"/kvd.image.*
  start --handover "$socket"
  redis-benchmark -p "$port" -t set -n 60000 -r 60000 -d 1000 -P 16 -q >/dev/null
  cli "$1" >"$work/save.out" &
  save_pid=$!
  wait_for sh -c "redis-cli -p $port info persistence |
    grep -q 'in_progress:1\|rdb_saves:1'"
  succeed
  wait "$save_pid"
  grep -q 'OK\|Background saving started' "$work/save.out" ||
    wrong "$1: $(cat "$work/save.out")"
  wait_for sh -c "redis-cli -p $port info persistence | grep -q 'rdb_saves:1'"
  says "$(cli dbsize)" dbsize
  [ -s "$work/kvd.image.1" ] || wrong "$1: no image"
  stop
}

# What connects while nobody accepts is served by the successor.
both_sockets() {
  start --handover "$socket" --unixsocket "$work/kvd.sock"
  begin_check 4 8
  tcp_check=$check_pid
  tcp_port=$port
  port=$work/kvd.sock
  begin_check 4 8
  port=$tcp_port
  for _ in 1 2 3 4 5; do
    succeed --unixsocket "$work/kvd.sock"
    redis-cli -s "$work/kvd.sock" ping | grep -q PONG || wrong "unix socket"
    says PONG ping
  done
  end_check
  check_pid=$tcp_check
  end_check
  stop
  [ ! -e "$work/kvd.sock" ] || wrong "the unix socket is still there"
}

# A long pipeline through redis-cli, over several take-overs.
long_pipe() {
  start --handover "$socket" --memfd
  awk 'BEGIN { for (i = 0; i < 400000; i++) {
         printf "*3\r\n$6\r\nAPPEND\r\n$%d\r\nk%d\r\n$3\r\nabc\r\n",
           length(i % 1000) + 1, i % 1000 } }' >"$work/in"
  redis-cli -p "$port" --pipe <"$work/in" >"$work/out" 2>&1 &
  pipe_pid=$!
  for _ in 1 2 3 4 5; do
    succeed
  done
  wait "$pipe_pid"
  grep -q 'errors: 0, replies: 400000' "$work/out" || wrong "$(cat "$work/out")"
  says 1200 strlen k7
  stop
}

# One that cannot take over says why; the old one serves on, and the next can.
refused() {
  start --handover "$socket"
  cli set key value >/dev/null
  if "$KVD" --takeover "$work/nowhere" >/dev/null 2>"$work/out"; then
    wrong "it takes over from nobody"
  fi
  grep -q 'cannot take over' "$work/out" || wrong "it does not say why"
  begin_check 40 2
  if (ulimit -n 40 && exec "$KVD" --takeover "$socket" --dir "$work") \
    >/dev/null 2>"$work/out"; then
    wrong "it takes over what it has no room for"
  fi
  grep -q 'not taken over: EMFILE: .*limit of open files' "$work/out" ||
    wrong "$(cat "$work/out")"
  says value get key
  [ "$(info handover_failures)" = 1 ] || wrong "$(info handover_failures)"
  succeed
  end_check
  says value get key
  kill -TERM "$kvd_pid" # the signals are the successor's now
  wait "$kvd_pid" || wrong "SIGTERM: $?"
}

# --- kill -9 ---

# Waits for the end of the successor, or until it serves; says which.
outcome() { # PID -> served | failed
  while ! grep -q 'listening on' "$work/next.out"; do
    if grep -q '^State:.Z' "/proc/$1/status"; then
      echo failed
      return
    fi
    sleep 0.01
  done
  echo served
}

# begin_successor PROGRAM OPTIONS...
begin_successor() {
  : >"$work/next.out"
  "$@" --takeover "$socket" --handover "$socket" --dir "$work" \
    >"$work/next.out" 2>"$work/next.err" &
  next_pid=$!
}

# A successor that dies at any step leaves the old one as it was, and its
# clients do not notice.
killed_successors() { # OPTIONS OF THE KVD
  start --handover "$socket" "$@"
  begin_check 10 16
  for step in $(seq "$first_step" "$sample" 500); do
    export KVD_KILL_AT="$step"
    begin_successor "$MORTAL"
    unset KVD_KILL_AT
    how=$(outcome "$next_pid")
    [ "$how" = failed ] || break
    wait "$next_pid"
    [ $? -eq 137 ] || wrong "step $step: not killed: $(cat "$work/next.err")"
    says PONG ping
    ! grep -q '^State:.Z' "/proc/$kvd_pid/status" "/proc/$check_pid/status" ||
      wrong "step $step: $(cat "$work/kvd.out" "$work/check.err")"
    [ "$failed" -eq 0 ] || return
  done
  [ "$step" -gt 5 ] || wrong "it was killed at $((step - 1)) steps only"
  wait "$kvd_pid" || wrong "the old kvd ended with $?"
  kvd_pid=$next_pid
  end_check
  stop
}

# One round: an old kvd that dies at that step of a hand-over. Says what became
# of the data: "whole" it was not killed, "served" by the successor, "none".
kill_old() { # STEP OPTIONS...
  step=$1
  shift
  KVD="$MORTAL" KVD_KILL_AT=$step start --handover "$socket" "$@"
  begin_check 4 8
  begin_successor "$KVD"
  how=$(outcome "$next_pid")
  wait "$kvd_pid"
  ended=$?
  kvd_pid=
  if [ "$how" = served ]; then
    kvd_pid=$next_pid
    end_check # nothing was lost
    stop
  else
    wait "$next_pid"
    wait "$check_pid"
    [ $? -eq 3 ] || wrong "step $step: $(cat "$work/check.err")"
    check_pid=
  fi
}

# Of an old one that dies the successor goes on if all is there, and gives up if
# not.
killed_olds() { # OPTIONS...
  served=0
  for n in $(seq 500); do
    kill_old "$n" "$@"
    if [ "$failed" -ne 0 ] || [ "$ended" -eq 0 ]; then break; fi
    [ "$ended" -eq 137 ] || wrong "step $n: the old kvd ended with $ended"
    [ "$how" != served ] || served=$((served + 1))
  done
  [ "$how" = served ] || wrong "not handed over: $(cat "$work/next.err")"
  [ "$served" -gt 0 ] || wrong "no successor went on alone, in $n steps"
}

case $1 in
fast)
  in_a_row 5
  in_a_row 5 --memfd
  in_the_midst
  while_saving save
  while_saving bgsave
  both_sockets
  long_pipe
  refused
  killed_successors
  killed_successors --memfd
  ;;
sweep)
  in_a_row $((100 / sample))
  in_a_row $((100 / sample)) --memfd
  killed_olds
  killed_olds --memfd
  ;;
*) die "fast or sweep?" ;;
esac
[ "$failed" -eq 0 ] && echo "kvd take-overs: $1 passed"
exit "$failed"
