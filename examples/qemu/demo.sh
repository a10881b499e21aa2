#!/usr/bin/env bash
# Takes the stream of a running QEMU machine, looks into it, turns it into
# Sluice's own format and back, and has QEMU load the result. BUILD is the build
# folder.
set -euo pipefail
sluice=${BUILD:?the build folder}/tool/sluice
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
machine=(qemu-system-x86_64 -M pc -m 64 -accel tcg -display none -vga std
  -nodefaults -serial null -monitor stdio)
rows=()

# run LABEL COMMAND...: runs it, and notes the time and the size of FILE.
run() {
  local label=$1 file=$2 start end
  shift 2
  start=$(date +%s%N)
  "$@"
  end=$(date +%s%N)
  rows+=("$(printf '%-34s %7d ms %12d bytes' "$label" \
    $(((end - start) / 1000000)) "$(stat -c %s "$file")")")
}

# Reads what the monitor answers until the migration is over.
await_migration() {
  local line
  while true; do
    echo 'info migrate' >&"${qemu[1]}"
    while read -r -t 1 line <&"${qemu[0]}"; do
      case $line in
        *"Migration status: completed"*) return 0 ;;
        *"Migration status: failed"*) echo "qemu: $line" >&2; return 1 ;;
        *"total time"*) break ;;
      esac
    done
  done
}

# shellcheck disable=SC2154  # coproc sets qemu_PID
quit_qemu() {
  echo quit >&"${qemu[1]}"
  wait "$qemu_PID" 2>/dev/null || true
}

take_stream() {
  coproc qemu { exec "${machine[@]}" 2>&1; }
  sleep 2 # let the firmware draw and write
  echo 'stop' >&"${qemu[1]}"
  echo 'migrate_set_parameter max-bandwidth 10G' >&"${qemu[1]}"
  echo "migrate -d \"exec:cat > $dir/machine.qevm\"" >&"${qemu[1]}"
  await_migration
  quit_qemu
}

# Asks how the machine is, which is answered after all that was asked before.
ask_status() { # sets status
  echo 'info status' >&"${qemu[1]}"
  while read -r -t 20 status <&"${qemu[0]}"; do
    case $status in *"VM status"*) return 0 ;; esac
  done
  echo "qemu does not answer" >&2
  return 1
}

# Loads a stream, and leaves the memory that QEMU then has in a file. QEMU
# answers while it is still loading.
load_stream() {
  local status=inmigrate
  coproc qemu { exec "${machine[@]}" -S -incoming "exec:cat $1" 2>&1; }
  while [[ $status == *inmigrate* ]]; do
    sleep 0.05
    ask_status
  done
  echo "pmemsave 0 0x4000000 \"$2\"" >&"${qemu[1]}"
  ask_status
  quit_qemu
}

echo "-- a machine runs, and its stream is taken"
run "QEMU writes its stream" "$dir/machine.qevm" take_stream
"$sluice" inspect "$dir/machine.qevm" | awk 'NR <= 24' # to the end: head would end it by a signal
echo "   ..."
echo "-- to Sluice's own format, verified, and back"
run "convert to native" "$dir/machine.slc" \
  "$sluice" convert "$dir/machine.qevm" "$dir/machine.slc" --to native
run "verify" "$dir/machine.slc" "$sluice" verify "$dir/machine.slc"
run "convert to qemu3" "$dir/again.qevm" \
  "$sluice" convert "$dir/machine.slc" "$dir/again.qevm" --to qemu3
echo "-- QEMU loads both streams: is its memory the same?"
run "QEMU loads its own stream" "$dir/machine.qevm" \
  load_stream "$dir/machine.qevm" "$dir/first.mem"
run "QEMU loads the converted one" "$dir/again.qevm" \
  load_stream "$dir/again.qevm" "$dir/second.mem"
cmp "$dir/first.mem" "$dir/second.mem"
echo "   yes: $(stat -c %s "$dir/first.mem") bytes of memory are equal"

printf '\n%s\n' "what was done:"
printf '  %s\n' "${rows[@]}"
