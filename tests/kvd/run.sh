#!/bin/sh
# kvd from the outside: real clients, a real Redis beside it, bad clients.
# KVD, PEER: the programs. $1: fast or sweep.
# shellcheck disable=SC1091,SC2154,SC2016 # rig.sh sets what is used here
set -u
. "$(dirname "$0")/rig.sh"

peer() {
  "$PEER" "$port" "$@" || wrong "peer $*"
}

# --- fast ------------------------------------------------------------------

start_redis() {
  redis-server --port 0 --unixsocket "$work/redis.sock" --save '' \
    --appendonly no --dir "$work" >"$work/redis.log" 2>&1 &
  redis_pid=$!
  wait_for redis-cli -s "$work/redis.sock" ping
  # A free port only it can find; and again should another take it meanwhile.
  for redis_port in $(seq $((port + 1)) $((port + 50))); do
    [ "$(redis-cli -s "$work/redis.sock" config set port "$redis_port" \
      2>/dev/null)" = OK ] && return
  done
  die "redis-server finds no port"
}

same_as_redis() {
  start_redis
  while IFS= read -r line; do
    case $line in '#'* | '') continue ;; esac
    printf '%b' "$line" >"$work/in"
    "$PEER" "$port" raw <"$work/in" >"$work/ours"
    "$PEER" "$redis_port" raw <"$work/in" >"$work/theirs"
    cmp -s "$work/ours" "$work/theirs" || {
      wrong "not as Redis: $line"
      diff -a "$work/theirs" "$work/ours" | cat -A >&2
    }
  done <"$here/same.txt"
  kill "$redis_pid"
  wait "$redis_pid" 2>/dev/null
}

plain_commands() {
  says PONG ping
  says OK set key 'a value'
  says 'a value' get key
  says 1 exists key
  cli info | grep -q '^connected_clients:1' || wrong "info"
  cli command | grep -q getset || wrong "command"
  [ "$(cli lastsave)" -gt 1000000000 ] || wrong "lastsave"
}

expired_keys() {
  cli info stats | tr -d '\r' | sed -n 's/^expired_keys://p'
}

expiry() {
  says OK flushall
  before=$(expired_keys)
  for key in 1 2 3 4 5; do
    cli set "gone$key" v px 50 >/dev/null
  done
  says OK set stays v
  wait_for sh -c "[ \$(redis-cli -p $port dbsize) = 1 ]" # nobody asks for them
  [ "$(expired_keys)" = $((before + 5)) ] || wrong "five keys expired"
  says OK set lazy v px 1
  wait_for sh -c "[ -z \"\$(redis-cli -p $port get lazy)\" ]"
}

pipelines() {
  says OK flushall
  awk 'BEGIN { for (i = 0; i < 100000; i++) {
         printf "*3\r\n$3\r\nSET\r\n$%d\r\nk%d\r\n$3\r\nabc\r\n",
           length(i) + 1, i } }' >"$work/in"
  redis-cli -p "$port" --pipe <"$work/in" >"$work/out" 2>&1
  grep -q 'errors: 0, replies: 100000' "$work/out" || wrong "redis-cli --pipe"
  says 100000 dbsize
  for depth in 1 16 200; do
    redis-benchmark -p "$port" -t set,get,incr,mset -n 20000 -d 1000 -r 1000 \
      -P "$depth" -q >"$work/out" 2>&1 || wrong "redis-benchmark -P $depth"
    ! grep -qi error "$work/out" || wrong "redis-benchmark: $(cat "$work/out")"
  done
}

# A large value that has no room to grow where it is moves while others are
# served: each APPEND happens once, and whoever deletes the value is not undone.
growing_values() {
  says OK flushall
  head -c 3000000 /dev/urandom >"$work/value"
  for key in grow wall; do
    cli -x set "$key" <"$work/value" >/dev/null
  done
  for i in 1 2 3 4; do
    cli -x append grow <"$work/value" >/dev/null &
    a=$!
    cli -x append grow <"$work/value" >/dev/null &
    b=$!
    says PONG ping
    wait "$a" "$b"
    says $((3000000 * (2 * i + 1))) strlen grow
    cli -x set "wall$i" <"$work/value" >/dev/null
  done
  cli get grow | head -c 9000000 | tail -c 3000000 | cmp -s - "$work/value" ||
    wrong "a value that has moved is another one"
  cli -x append wall <"$work/value" >/dev/null &
  a=$!
  cli del wall >/dev/null
  wait "$a"
  case $(cli strlen wall) in
  0 | 3000000) ;; # the one before the other
  *) wrong "a deleted value is back: $(cli strlen wall)" ;;
  esac
}

out_of_memory() {
  start --maxmemory 3mb
  oom="OOM command not allowed when used memory > 'maxmemory'."
  head -c 2000000 /dev/zero >"$work/value"
  cli -x set one <"$work/value" | grep -q OK || wrong "a value that fits"
  cli -x set two <"$work/value" | grep -q "$oom" || wrong "one that does not"
  redis-benchmark -p "$port" -t set -n 3000 -d 1000 -r 100000 -q 2>&1 |
    grep -q "OOM command" || wrong "many small ones"
  says "$oom" set key v
  says "$oom" incr i
  says '' get key
  says 2000000 strlen one
  says 1 del one
  says OK set key v
  stop
}

both_sockets() {
  start --unixsocket "$work/kvd.sock"
  [ "$(redis-cli -s "$work/kvd.sock" set k v)" = OK ] || wrong "unix socket"
  says v get k
  kill -TERM "$kvd_pid" # as good as SHUTDOWN
  stop
}

bad_options() {
  for bad in '--port 99999' '--maxmemory x' '--what' 'word' '--dbfilename a/b'; do
    # shellcheck disable=SC2086
    if "$KVD" $bad >/dev/null 2>&1; then wrong "kvd takes $bad"; fi
  done
}

fast() {
  start
  plain_commands
  same_as_redis
  expiry
  pipelines
  growing_values
  peer garbage "${SEED:-$(date +%s)}" 300
  says OK flushall
  peer large 5000000
  peer greedy 10000
  stop
  out_of_memory
  both_sockets
  bad_options
}

# --- sweep -----------------------------------------------------------------

sweep() {
  start
  peer large 536870912
  peer garbage "${SEED:-$(date +%s)}" 3000
  stop
}

case $1 in
fast) fast ;;
sweep) sweep ;;
*) die "fast or sweep?" ;;
esac
[ "$failed" -eq 0 ] && echo "kvd: $1 passed"
exit "$failed"
