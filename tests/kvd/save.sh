#!/bin/sh
# kvd's images: what is in them, which one is restored, what clients are told.
# KVD, MODEL, IMAGE: the programs. $1: fast or sweep.
# shellcheck disable=SC1091,SC2154,SC2016 # rig.sh sets what is used here
set -u
. "$(dirname "$0")/rig.sh"

images=$work/images

# serve OPTIONS...: a kvd with its images in a folder of their own.
serve() {
  mkdir -p "$images"
  start --dir "$images" "$@"
}

anew() {
  rm -rf "$images"
  serve "$@"
}

# As a crash would: whatever is not on the disk is gone.
crash() {
  kill -9 "$kvd_pid"
  wait "$kvd_pid" 2>/dev/null
  kvd_pid=
}

# Keys that no model knows, to make a save take its time.
fill_up() { # KEYS
  timeout 600 redis-benchmark -p "$port" -t set -n "$1" -r "$1" -d 1000 -P 16 \
    -q >/dev/null || die "filling hangs"
}

logs() {
  grep -q "$1" "$work/kvd.out" ||
    wrong "not in the log: $1: $(cat "$work/kvd.out")"
}

info() { # NAME
  cli info persistence | tr -d '\r' | sed -n "s/^$1://p"
}

saved() {
  wait_for sh -c "redis-cli -p $port info persistence |
    grep -q rdb_bgsave_in_progress:0"
}

# flip FILE OFFSET: damages a byte.
flip() {
  printf '\377\376\375' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# --- what is in an image ---

# The image is what the model says, also when the server was killed at once.
one_instant() { # SEED OPTIONS...
  seed=$1
  shift
  anew "$@"
  fill_up 30000
  "$MODEL" "$port" "$seed" 20000 "$work/model" >"$work/model.out" ||
    wrong "model, seed $seed: $(cat "$work/model.out" "$work/kvd.out")"
  crash
  "$IMAGE" "$images" "$work/model" >"$work/image.out" ||
    wrong "the image is not what it was, seed $seed, options: $*"
}

restored_to_clients() {
  anew
  cli set kept 'at the instant' >/dev/null
  cli set timed v px 10000000 >/dev/null
  head -c 3000000 /dev/urandom >"$work/value"
  cli -x set large <"$work/value" >/dev/null
  says OK save
  cli set kept 'too late' >/dev/null
  crash
  serve
  logs 'restored .*kvd.image.1: 3 keys'
  says 'at the instant' get kept
  says 3000000 strlen large # redis-cli -x sends all of it
  cli get large | head -c 3000000 | cmp -s - "$work/value" ||
    wrong "a large value is another one"
  [ "$(cli pttl timed)" -gt 9000000 ] || wrong "an expiry time"
  stop
}

# One command changes more than the memory for pre-images holds; where it came
# too late for the save it is sent once more.
too_many_changes() { # POLICY -> what the save's status is
  anew --preimages "$1" --preimage-memory 1mb
  fill_up 20000
  awk 'BEGIN {
    v = sprintf("%4000s", "x")
    printf "*601\r\n$4\r\nMSET\r\n"
    for (i = 0; i < 300; i++)
      printf "$4\r\n%04d\r\n$4000\r\n%s\r\n", i, v }' >"$work/mset"
  redis-cli -p "$port" --pipe <"$work/mset" >/dev/null 2>&1
  for _ in $(seq 100); do
    rm -f "$images"/*
    { printf '*1\r\n$6\r\nBGSAVE\r\n' && cat "$work/mset" "$work/mset"; } |
      redis-cli -p "$port" --pipe >"$work/out" 2>&1
    grep -q 'errors: 0, replies: 3' "$work/out" || wrong "pipe, policy $1"
    saved
    ! was_in_time "$1" || break
  done
}

was_in_time() { # POLICY
  if [ "$1" = fail ]; then
    [ "$(info rdb_last_bgsave_status)" = err ]
  else
    [ "$(info save_preimage_peak)" -gt 0 ]
  fi
}

full_memory() {
  too_many_changes slow
  [ "$(info rdb_last_bgsave_status)" = ok ] || wrong "slow: not saved"
  # How much there is at once depends on how far the save has come.
  [ "$(info save_preimage_peak)" -gt 0 ] || wrong "slow: nothing to save"
  stop
  too_many_changes spill
  [ "$(info rdb_last_bgsave_status)" = ok ] || wrong "spill: not saved"
  [ "$(info save_preimage_peak)" -le 1048576 ] || wrong "spill: too much memory"
  stop
  too_many_changes fail
  [ "$(info rdb_last_bgsave_status)" = err ] || wrong "fail: it was saved"
  info save_last_error | grep -q ELIMIT || wrong "fail: for another reason"
  [ -z "$(ls "$images")" ] || wrong "fail: left something: $(ls -A "$images")"
  says OK set still here
  says OK save
  stop
}

# --- which image is restored ---

three_images() {
  anew --keep 3
  for i in 1 2 3 4; do
    cli set key "$i" >/dev/null
    says OK save
  done
  wait_for sh -c "[ \"\$(ls '$images' | tr '\n' ' ')\" = \
    'kvd.image.2 kvd.image.3 kvd.image.4 ' ]"
  crash
}

damaged_images() {
  three_images
  flip "$images/kvd.image.4" 4100
  serve
  logs 'refused .*kvd.image.4: ECORRUPT: '
  logs 'restored .*kvd.image.3: 1 keys'
  says 3 get key
  cli set key 5 >/dev/null
  says OK save # takes a new number and does not count the bad one
  crash
  size=$(wc -c <"$images/kvd.image.5")
  truncate -s $((size / 2)) "$images/kvd.image.5"
  : >"$images/kvd.image.6"
  serve --keep 3
  logs 'refused .*kvd.image.6: '
  logs 'refused .*kvd.image.5: ETRUNCATED: '
  logs 'restored .*kvd.image.3'
  says 3 get key
  crash
  flip "$images/kvd.image.2" 100
  flip "$images/kvd.image.3" 100
  if "$KVD" --port 0 --dir "$images" >"$work/kvd.out" 2>"$work/kvd.err"; then
    wrong "it starts though no image is good"
  fi
  grep -q 'cannot restore' "$work/kvd.err" || wrong "it does not say why"
}

verified() { # yes|no
  wait_for sh -c "redis-cli -p $port info persistence |
    grep -q restored_verified:$1"
}

# The same from every way of loading, also when it is saved again from there.
loaded_ways() {
  anew
  fill_up 20000
  head -c 3000000 /dev/urandom >"$work/value"
  cli -x set large <"$work/value" >/dev/null
  says OK save
  keys=$(cli dbsize)
  crash
  for way in mapped mapped-verify eager mapped; do
    serve --load "$way"
    [ "$(info restored_way)" = "$way" ] || wrong "loaded $(info restored_way)"
    [ "$(info restored_mapped_bytes)" -gt 10000000 ] || [ "$way" = eager ] ||
      wrong "nothing is mapped"
    [ "$way" = mapped ] || verified yes
    says "$keys" dbsize
    cli get large | head -c 3000000 | cmp -s - "$work/value" ||
      wrong "a large value is another one, loaded $way"
    redis-benchmark -p "$port" -t set -n 5000 -r 20000 -d 900 -P 16 -q \
      >/dev/null
    says OK set "key of $way" "$way"
    keys=$(cli dbsize)
    says OK save
    crash
  done
}

damage_behind() {
  anew
  head -c 30000000 /dev/urandom >"$work/value"
  cli -x set large <"$work/value" >/dev/null
  says OK save
  crash
  flip "$images/kvd.image.1" 20000000
  serve --load mapped-verify
  verified no
  logs 'image 1 is damaged: 4096 bytes at '
  says 30000000 strlen large # it is served all the same
  [ "$(info restored_damaged_bytes)" = 4096 ] || wrong "damaged bytes"
  not_saved
  stop
}

# What is damaged is not made a good image of, and the old ones stay.
not_saved() {
  [ "$(info restored_unsound_bytes)" = 4096 ] || wrong "unsound bytes"
  cli save | grep -q ERR || wrong "a damaged heap is saved"
  info save_last_error | grep -q 'ECORRUPT: .*damaged' ||
    wrong "why it is not saved: $(info save_last_error)"
  [ -f "$images/kvd.image.1" ] || wrong "the image is gone"
  [ ! -f "$images/kvd.image.2" ] || wrong "there is another image"
}

# Nobody looks before the first save: that one does.
damage_mapped() {
  anew --keep 1
  head -c 30000000 /dev/urandom >"$work/value"
  cli -x set large <"$work/value" >/dev/null
  says OK save
  crash
  flip "$images/kvd.image.1" 20000000
  serve --load mapped --keep 1
  [ "$(info restored_unverified_bytes)" -gt 20000000 ] || wrong "unverified"
  cli save | grep -q ERR || wrong "a damaged heap is saved"
  not_saved
  stop
}

no_room() {
  anew
  fill_up 30000
  says OK save
  crash
  if "$KVD" --port 0 --dir "$images" --reserve 16mb >"$work/kvd.out" \
    2>"$work/kvd.err"; then
    wrong "it starts where its image has no room"
  fi
  grep -q 'reserve' "$work/kvd.out" || wrong "it does not say why"
}

killed_while_saving() {
  anew
  fill_up 60000
  says OK set key before
  says OK save
  for i in 1 2 3 4 5; do
    cli set key "after $i" >/dev/null
    cli bgsave >/dev/null
    crash
    serve
    logs 'restored'
    case $(cli get key) in
    before | "after $i") ;;
    *) wrong "neither the old nor the new: $(cli get key)" ;;
    esac
    cli set key before >/dev/null
    says OK save
  done
  wait_for sh -c "[ \"\$(ls -A '$images' | grep -c tmp)\" = 0 ]"
  stop
}

# What a kill leaves where a file has to have a name while it is written; the
# one that a save still holds stays, and so do files of others.
left_over() {
  anew
  says OK set key value
  says OK save
  crash
  held=$images/.kvd.image.3.FFFFFF.tmp
  other=$images/.another.image.1.AAAAAA.tmp
  touch "$images/.kvd.image.1.AAAAAA.tmp" "$images/.kvd.image.2.z9Z9z9.tmp" \
    "$images/.kvd.image.2.AAAAAA.tmp" "$held" "$other"
  exec 9>"$held"
  flock 9
  serve
  says value get key
  [ "$(LC_ALL=C ls -A "$images" | tr '\n' ' ')" = \
    ".another.image.1.AAAAAA.tmp .kvd.image.3.FFFFFF.tmp kvd.image.1 " ] ||
    wrong "after a start there is: $(ls -A "$images")"
  exec 9>&-
  crash
  serve
  [ ! -e "$held" ] || wrong "what nobody holds any more is still there"
  stop
}

# --- what clients are told ---

commands() {
  anew
  fill_up 60000
  before=$(cli lastsave)
  sleep 1.1 # LASTSAVE counts seconds
  says OK save
  [ "$(cli lastsave)" -gt "$before" ] || wrong "LASTSAVE after SAVE"
  # In one piece: the first save cannot be over before the last is asked for.
  printf 'BGSAVE\r\nBGSAVE\r\nSAVE\r\nPING\r\nQUIT\r\n' |
    "$PEER" "$port" raw >"$work/out"
  tr -d '\r' <"$work/out" | tr '\n' '|' | grep -q "Background saving started|\
-ERR Background save already in progress|\
-ERR Background save already in progress|+PONG" ||
    wrong "one save at a time: $(cat "$work/out")"
  saved
  [ "$(info save_slices)" -gt 10 ] || wrong "slices"
  [ "$(info save_bytes_done)" -gt 30000000 ] || wrong "bytes"
  [ "$(info save_longest_turn_us)" -gt 0 ] || wrong "longest turn"
  [ "$(info rdb_changes_since_last_save)" = 0 ] || wrong "changes"
  says OK set a b
  [ "$(info rdb_changes_since_last_save)" = 1 ] || wrong "a change"
  printf 'SAVE\r\nPING\r\nQUIT\r\n' | "$PEER" "$port" raw | tr -d '\r\n' |
    grep -q '^+OK+PONG+OK$' || wrong "replies after SAVE come in order"
  stop
}

shutdowns() {
  anew
  says OK set key one
  cli shutdown save
  wait "$kvd_pid" || wrong "SHUTDOWN SAVE: $?"
  serve --save-every 3600
  says one get key
  says OK set key two
  cli shutdown # as set: it saves by itself
  wait "$kvd_pid" || wrong "SHUTDOWN: $?"
  serve --save-every 3600
  says two get key
  says OK set key three
  cli shutdown nosave
  wait "$kvd_pid" || wrong "SHUTDOWN NOSAVE: $?"
  serve --save-every 3600
  says two get key
  says OK set key four
  cli bgsave >/dev/null
  says OK set key five
  kill -TERM "$kvd_pid"
  wait "$kvd_pid" || wrong "SIGTERM: $?"
  serve
  says five get key
  stop
}

by_itself() {
  anew --save-every 1
  says OK set key value
  wait_for test -s "$images/kvd.image.1"
  saved
  rm -rf "$images"
  says OK set key other
  wait_for sh -c "redis-cli -p $port info persistence |
    grep -q rdb_last_bgsave_status:err"
  cli set key third 2>&1 | grep -q '^MISCONF' || wrong "no MISCONF"
  says other get key
  cli shutdown save 2>&1 | grep -q 'ERR Errors trying to SHUTDOWN' ||
    wrong "SHUTDOWN SAVE without a disk"
  mkdir "$images"
  cli bgsave >/dev/null
  saved
  wait_for sh -c "redis-cli -p $port set key third | grep -q OK"
  stop
}

fast() {
  one_instant "${SEED:-$(date +%s)}"
  one_instant "${SEED:-$(date +%s)}" --preimage-memory 1mb
  restored_to_clients
  full_memory
  damaged_images
  loaded_ways
  damage_behind
  damage_mapped
  no_room
  killed_while_saving
  left_over
  commands
  shutdowns
  by_itself
}

sweep() {
  for seed in $(seq 1 20); do
    for policy in slow spill; do
      one_instant "$seed" --preimage-memory 1mb --preimages "$policy"
    done
  done
}

case $1 in
fast) fast ;;
sweep) sweep ;;
*) die "fast or sweep?" ;;
esac
[ "$failed" -eq 0 ] && echo "kvd saves: $1 passed"
exit "$failed"
