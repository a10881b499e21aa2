#!/usr/bin/env bash
# bench_takeover [--quick] [--mib N] [--rounds N] [--rate N] [--only PART]
#                [--way ''|--memfd] [--starts REGEX] [--out DIR] [--keep]
#
# How soon kvd serves, beside redis-server, and what clients feel when it is
# handed over. PART, in this order: fill (makes an image and a dump.rdb of the
# same data), start (exec to the first answered GET), pause (take-overs under a
# fixed rate, and as fast as it goes; copied, and by memfd). --keep leaves the
# data in DIR, so that a part can run alone: large ones take their time.
# --starts: those starts whose name matches, as 'eager' or 'mapped, cold'.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
probe=$here/probe
first=$here/first_answer
kvd=$here/../examples/kvd/kvd
out=$here/../../bench
mib=2048
rounds=3
rate=20000
only=
keep=no
ways=('' --memfd)
starts=.

while [ $# -gt 0 ]; do
  case $1 in
  --quick) mib=64 rounds=1 rate=5000 ;;
  --mib) mib=$2 && shift ;;
  --rounds) rounds=$2 && shift ;;
  --rate) rate=$2 && shift ;;
  --only) only=$2 && keep=yes && shift ;;
  --out) out=$2 && shift ;;
  --keep) keep=yes ;;
  --starts) starts=$2 && shift ;;
  --way) ways=("$2") && shift ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
  esac
  shift
done

keys=$((mib * 1024))
mkdir -p "$out"
work=$(cd "$out" && pwd)/takeover-$mib
socket=$work/handover
mkdir -p "$work"
pid=

finish() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  wait
  [ "$keep" = yes ] || rm -rf "$work"
}
trap finish EXIT

free_port() {
  local p=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do
    p=$((p + 1))
  done
  echo "$p"
}

port=$(free_port 7601)

wait_for() {
  for _ in $(seq 1000); do
    redis-cli -p "$port" ping 2>/dev/null | grep -q PONG && return
    sleep 0.1
  done
  echo "bench_takeover: no answer" >&2
  exit 1
}

info() { # FIELD
  redis-cli -p "$port" info handover | tr -d '\r' | sed -n "s/^$1://p"
}

# The server that was started last, whoever its parent is.
end_server() {
  redis-cli -p "$port" shutdown nosave >/dev/null 2>&1 || true
  while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do
    grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && break
    sleep 0.02
  done
  pid=
}

# --- fill ------------------------------------------------------------------

fill() {
  "$probe" --port "$port" --fill --clients 4 --depth 8 --keys "$keys" \
    --bytes 1024
}

part_fill() {
  rm -f "$work"/kvd.image.* "$work/dump.rdb"
  "$kvd" --port "$port" --dir "$work" >"$work/log" 2>&1 &
  pid=$!
  wait_for
  fill
  redis-cli -p "$port" save
  end_server
  redis-server --port "$port" --dir "$work" --save '' >"$work/log" 2>&1 &
  pid=$!
  wait_for
  fill
  redis-cli -p "$port" save
  end_server
  ls -l "$work"
}

# --- start -----------------------------------------------------------------

# The file is all in memory, or nothing of it.
make_warm() { # FILE
  cat "$1" >/dev/null
}

make_cold() { # FILE
  dd if="$1" iflag=nocache count=0 2>/dev/null
}

first_get() { # NAME FILE make_warm|make_cold [--small] -- PROGRAM OPTIONS...
  local name=$1 file=$2 how=$3 option='' answer
  shift 3
  [[ $name =~ $starts ]] || return 0
  [ "$1" != --small ] || { option=--small && shift; }
  shift
  "$how" "$file"
  # shellcheck disable=SC2086 # it may be nothing
  answer=$("$first" $option "$port" key:000000000007 "$@")
  pid=${answer% *}
  printf '%-34s %10s ms\n' "$name" "${answer#* }"
  end_server
}

part_start() {
  local image how word
  image=$(ls "$work"/kvd.image.*)
  for _ in $(seq "$rounds"); do
    for how in make_warm make_cold; do
      word=${how#make_}
      for way in mapped mapped-verify; do
        first_get "kvd $way, $word" "$image" "$how" -- "$kvd" --port "$port" \
          --dir "$work" --load "$way"
      done
      first_get "kvd eager, huge pages, $word" "$image" "$how" -- "$kvd" \
        --port "$port" --dir "$work" --load eager
      first_get "kvd eager, small pages, $word" "$image" "$how" --small -- \
        "$kvd" --port "$port" --dir "$work" --load eager
      first_get "redis-server, $word" "$work/dump.rdb" "$how" -- \
        "$(command -v redis-server)" --port "$port" --dir "$work" --save ''
    done
  done
}

# --- pause -----------------------------------------------------------------

# The command that probe runs: a successor, and until the old one is gone.
successor() { # OPTIONS...
  cat <<END
"$kvd" --takeover "$socket" --handover "$socket" --dir "$work" >>"$work/log" 2>&1 &
for i in \$(seq 6000); do
  grep -aq 'taken over: ' "$work/log" && exit 0
  sleep 0.01
done
exit 1
END
}

# pause NAME OPTIONS OF THE LOAD...
pause() {
  local name=$1
  shift
  : >"$work/log"
  "$probe" --port "$port" --keys "$keys" --rest 2 --after 2 \
    --run "$(successor)" "$@" \
    --columns "$work/$name.columns" |
    sed -n -E 's/^((rest|run|after)_(per_s|p99_us|max_us)|run_seconds|errors)/  \1/p'
  printf '  server_pause_us %s, way %s, stream %s bytes, clients %s\n' \
    "$(info takeover_pause_us)" "$(info takeover_way)" \
    "$(info takeover_state_bytes)" "$(info takeover_clients)"
  pid=$(redis-cli -p "$port" info server | tr -d '\r' |
    sed -n 's/^process_id://p')
  grep -a 'handed over: ' "$work/log" | sed 's/^kvd: /  /'
}

part_pause() {
  local way
  for way in "${ways[@]}"; do
    # shellcheck disable=SC2086 # it may be nothing
    "$kvd" --port "$port" --dir "$work" --handover "$socket" --load eager $way \
      >"$work/log" 2>&1 &
    pid=$!
    wait_for
    for round in $(seq "$rounds"); do
      echo "take-over, ${way:-copied}, $rate requests a second, round $round"
      pause "fixed$way-$round" --rate "$rate"
    done
    echo "take-over, ${way:-copied}, as fast as it goes"
    pause "full$way"
    end_server
  done
}

printf '%s, %s processors, Linux %s, load %s\n%s\n%s MiB of values of 1 KiB\n\n' \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
  "$(uname -r)" "$(cut -d ' ' -f 1 /proc/loadavg)" "$(redis-server --version)" \
  "$mib"
for part in fill start pause; do
  if [ -z "$only" ] || [ "$only" = "$part" ]; then
    "part_$part"
  fi
done
