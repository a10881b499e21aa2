#!/usr/bin/env bash
# bench_redis [--quick] [--rounds N] [--rate N] [--mib N] [--only PART] [--out DIR]
#
# kvd beside Debian's redis-server: the same data, the same load, the same disk,
# turn about. PART: benchmark (redis-benchmark, at rest), fixed (a fixed rate,
# and a save), full (as fast as it goes, and a save), large (values of 64 MiB
# and one of 512 MiB among the small ones, a fixed rate, and a save).
#
# Redis runs as Debian sets it up, but without saving by itself. Values cannot be
# compressed. Server, load and threads share the machine's processors: what a
# client feels is also what it is kept from by the others, at rest as well.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
probe=$here/probe
kvd=$here/../examples/kvd/kvd
out=$here/../../bench
mib=2048
rounds=3
rate=20000
rest=3
requests=300000
only=

while [ $# -gt 0 ]; do
  case $1 in
  --quick) mib=64 rounds=1 rate=5000 rest=1 requests=20000 ;;
  --rounds) rounds=$2 && shift ;;
  --rate) rate=$2 && shift ;;
  --mib) mib=$2 && shift ;;
  --only) only=$2 && shift ;;
  --out) out=$2 && shift ;;
  *) sed -n '2,7s/^# //p' "$0" && exit 2 ;;
  esac
  shift
done

keys=$((mib * 1024))
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d "$out/redis.XXXXXX")
declare -A pid port

finish() {
  for server in "${!pid[@]}"; do
    kill "${pid[$server]}" 2>/dev/null || true
  done
  wait
  rm -rf "$work"
}
trap finish EXIT

# --- the servers -----------------------------------------------------------

# Any port from here on that is free.
free_port() {
  local p=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do
    p=$((p + 1))
  done
  echo "$p"
}

wait_for() { # SERVER
  for _ in $(seq 100); do
    redis-cli -p "${port[$1]}" ping >/dev/null 2>&1 && return
    sleep 0.1
  done
  echo "bench_redis: $1 does not answer" >&2
  cat "$work/$1.log" >&2
  exit 1
}

start() {
  mkdir "$work/kvd" "$work/redis"
  port[kvd]=$(free_port 7401)
  "$kvd" --port "${port[kvd]}" --dir "$work/kvd" --keep 1 >"$work/kvd.log" 2>&1 &
  pid[kvd]=$!
  wait_for kvd
  port[redis]=$(free_port 7501)
  redis-server --port "${port[redis]}" --dir "$work/redis" --save '' \
    >"$work/redis.log" 2>&1 &
  pid[redis]=$!
  wait_for redis
}

info() { # SERVER FIELD
  redis-cli -p "${port[$1]}" info | tr -d '\r' | sed -n "s/^$2://p"
}

status() { # SERVER FIELD, in KiB
  awk -v f="$2:" '$1 == f { print $2 }' "/proc/${pid[$1]}/status"
}

# What /proc calls the peak begins anew.
forget_peak() { # SERVER
  echo 5 >"/proc/${pid[$1]}/clear_refs"
}

fill() { # SERVER KEYS BYTES PREFIX
  "$probe" --port "${port[$1]}" --fill --clients 4 --depth 8 --keys "$2" \
    --bytes "$3" --prefix "$4"
}

# --- measuring -------------------------------------------------------------

# Lines "part server name value" of all rounds.
results=$work/results

note() { # PART SERVER: the lines "name value" on stdin
  sed "s/^/$1 $2 /" >>"$results"
}

run_probe() { # PART SERVER ROUND OPTIONS...
  local part=$1 server=$2 round=$3 before
  shift 3
  before=$(status "$server" VmRSS)
  forget_peak "$server"
  "$probe" --port "${port[$server]}" --keys "$keys" --rest "$rest" --save "$@" \
    --columns "$out/redis-$part-$server-$round.columns" \
    --percentiles "$out/redis-$part-$server-$round.curve" | note "$part" "$server"
  note "$part" "$server" <<<"rss_growth_mib $((($(status "$server" VmHWM) - before) / 1024))"
  note_server "$part" "$server"
}

note_server() { # PART SERVER
  if [ "$2" = kvd ]; then
    {
      echo "longest_turn_us $(info kvd save_longest_turn_us)"
      echo "turn_cpu_us $(info kvd save_longest_turn_cpu_us)"
      echo "preimage_peak_mib $(($(info kvd save_preimage_peak) >> 20))"
      echo "image_mib $(($(info kvd save_bytes_done) >> 20))"
    } | note "$1" kvd
  else
    {
      echo "fork_us $(info redis latest_fork_usec)"
      echo "child_private_mib $(($(info redis rdb_last_cow_size) >> 20))"
      echo "image_mib $(($(stat -c %s "$work/redis/dump.rdb") >> 20))"
    } | note "$1" redis
  fi
}

# rps p50 p99 max, of redis-benchmark's CSV
run_benchmark() { # SERVER TEST DEPTH
  redis-benchmark -p "${port[$1]}" -c 50 -t "$2" -n $((requests * $3 / 4 + requests)) \
    -d 1024 -r "$keys" -P "$3" --csv 2>/dev/null | tr -d '"' |
    awk -F, -v t="$2_P$3" 'END {
      print t "_per_s", $2; print t "_p50_us", $5 * 1000
      print t "_p99_us", $7 * 1000; print t "_max_us", $8 * 1000 }' |
    note benchmark "$1"
}

part_benchmark() {
  local depth test server
  for depth in 1 16; do
    for test in get set; do
      for _ in $(seq "$rounds"); do
        for server in kvd redis; do
          run_benchmark "$server" "$test" "$depth"
        done
      done
    done
  done
}

turn_about() { # PART OPTIONS...
  local part=$1 round server
  shift
  for round in $(seq "$rounds"); do
    for server in kvd redis; do
      run_probe "$part" "$server" "$round" "$@"
    done
  done
}

part_fixed() {
  turn_about fixed --rate "$rate"
}

part_full() {
  turn_about full
}

part_large() {
  local server
  for server in kvd redis; do
    fill "$server" $((mib / 256 + 1)) $((64 << 20)) big
    fill "$server" 1 $((512 << 20)) huge
  done
  turn_about large --rate "$rate"
}

# --- telling ---------------------------------------------------------------

# The median over the rounds, kvd beside Redis.
tell() { # PART
  awk -v part="$1" '
    function median(list, n, i, j, v, a) {
      n = split(list, a, " ")
      for (i = 2; i <= n; i++) {
        v = a[i]
        for (j = i - 1; j > 0 && a[j] + 0 > v + 0; j--) a[j + 1] = a[j]
        a[j + 1] = v
      }
      return n == 0 ? "-" : a[int((n + 1) / 2)]
    }
    $1 == part {
      if (!($3 in seen)) { seen[$3] = 1; order[++count] = $3 }
      values[$3, $2] = values[$3, $2] " " $4
    }
    END {
      printf "%-20s %12s %12s   all of kvd | of redis\n", part, "kvd", "redis"
      for (i = 1; i <= count; i++) {
        n = order[i]
        printf "%-20s %12s %12s  %s |%s\n", n, median(values[n, "kvd"]),
          median(values[n, "redis"]), values[n, "kvd"], values[n, "redis"]
      }
    }' "$results"
  echo
}

plot_time() { # PART
  gnuplot <<END
set terminal svg size 900,420 font "sans,12"
set output "$out/redis-$1-time.svg"
set title "Latency over time, $1 load: the worst of each 10 ms; a save begins at $rest s"
set xlabel "seconds"
set ylabel "milliseconds"
set logscale y
set yrange [0.03:*]
set grid
plot "$out/redis-$1-redis-1.columns" using 1:(\$5/1000) with lines title "redis-server", \
     "$out/redis-$1-kvd-1.columns" using 1:(\$5/1000) with lines title "kvd"
END
}

plot_curve() { # PART
  gnuplot <<END
set terminal svg size 900,420 font "sans,12"
set output "$out/redis-$1-curve.svg"
set title "Latency by percentile, $1 load"
set xlabel "percentile"
set ylabel "milliseconds"
set logscale xy
set xtics ("0" 1, "90" 10, "99" 100, "99.9" 1000, "99.99" 10000, "99.999" 100000)
set grid
set key left
plot "$out/redis-$1-redis-1.curve" using 1:(\$3/1000) with lines title "redis-server, saving", \
     "$out/redis-$1-redis-1.curve" using 1:(\$2/1000) with lines dt 2 title "redis-server, at rest", \
     "$out/redis-$1-kvd-1.curve" using 1:(\$3/1000) with lines title "kvd, saving", \
     "$out/redis-$1-kvd-1.curve" using 1:(\$2/1000) with lines dt 2 title "kvd, at rest"
END
}

describe() {
  printf '%s, %s processors, Linux %s, load %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(uname -r)" "$(cut -d ' ' -f 1 /proc/loadavg)"
  redis-server --version
  printf '%s MiB of values of 1 KiB, 50 clients, %s rounds, fixed rate %s/s, half SET\n\n' \
    "$mib" "$rounds" "$rate"
}

describe
start
for server in kvd redis; do
  before=$(date +%s%N)
  fill "$server" "$keys" 1024 key
  after=$(date +%s%N)
  printf '%s: filled in %s ms, %s MiB resident\n' "$server" \
    $(((after - before) / 1000000)) $(($(status "$server" VmRSS) / 1024))
done
echo
: >"$results"
for part in benchmark fixed full large; do
  if [ -n "$only" ] && [ "$only" != "$part" ]; then
    continue
  fi
  "part_$part"
  tell "$part"
  if [ "$part" != benchmark ]; then
    plot_time "$part"
    plot_curve "$part"
  fi
done
echo "plots: $out/redis-*.svg"
