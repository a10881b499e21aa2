# rig.sh - what the scripts here share: a kvd, started and stopped, and saying
# what is wrong. To be sourced; KVD is the program.
# shellcheck shell=sh disable=SC2034 # the scripts use what is set here
here=$(dirname "$0")
work=$(mktemp -d)
kvd_pid=
failed=0

# shellcheck disable=SC2317 # the trap runs it
finish() {
  jobs -p >"$work/jobs" # those too that a failed case has left behind
  # shellcheck disable=SC2046 # several
  kill $(cat "$work/jobs") 2>/dev/null
  wait
  rm -rf "$work"
}
trap finish EXIT

die() {
  echo "$*" >&2
  cat "$work"/*.err >&2 2>/dev/null
  exit 1
}

wrong() {
  echo "FAILED: $*" >&2
  failed=1
}

for program in redis-cli redis-benchmark redis-server; do
  command -v "$program" >/dev/null ||
    die "$program is missing: it is in Debian's redis-server, redis-tools"
done

# Waits until the command succeeds; gives up after minutes, which is a hang.
wait_for() {
  for _ in $(seq 1800); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  die "gave up waiting for: $*"
}

# start OPTIONS...: a kvd on any port; sets kvd_pid and port.
start() {
  rm -f "$work/kvd.out" # the one before must not be taken for this one's
  "$KVD" --port 0 --dir "$work" "$@" >"$work/kvd.out" 2>"$work/kvd.err" &
  kvd_pid=$!
  wait_for grep -q 'listening on 127' "$work/kvd.out"
  port=$(sed -n 's/.*listening on 127.0.0.1://p' "$work/kvd.out")
  [ -n "$port" ] || die "no port in kvd.out"
}

# It must end by itself and without a complaint, of a sanitizer for one.
stop() {
  redis-cli -p "$port" shutdown nosave >/dev/null 2>&1
  wait "$kvd_pid" || wrong "kvd ended with $?: $(cat "$work/kvd.err")"
  kvd_pid=
  [ ! -s "$work/kvd.err" ] || wrong "kvd said: $(cat "$work/kvd.err")"
}

cli() {
  redis-cli -p "$port" "$@"
}

# says EXPECTED COMMAND...
says() {
  expected=$1
  shift
  got=$(cli "$@" 2>&1)
  [ "$got" = "$expected" ] || wrong "$*: expected '$expected', got '$got'"
}
