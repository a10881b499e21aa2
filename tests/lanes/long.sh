#!/usr/bin/env bash
# long.sh - the long lane: what is run before an issue is closed, not before each
# merge. Read by `dev`, whose functions it calls.

LONG_DEPS=(clang debootstrap)
# Releases of Debian that the project is built and tested on from nothing.
CLEAN_RELEASES=(bookworm trixie)

run_long() { # MINUTES of fuzzing a target
  need "${LONG_DEPS[@]}"
  step "dev, whole sweeps" test_preset dev
  step "pairs of faults" all_pairs
  step "matrix, all of it" test_matrix
  step "asan" test_preset asan
  step "tsan" test_preset tsan
  step "clang" test_preset clang
  step "release" test_preset release
  step "valgrind" all_under_valgrind
  step "second versions of peers" second_peers
  step "clean machines" clean_machines
  step "fuzz" fuzz_all $(($1 * 60))
}

all_pairs() {
  local log=build/test-pairs.log
  say "test: every fault with every other"
  SLUICE_FAULT_ALL=1 ctest --preset dev --label-regex '^fault$' \
    --parallel "$JOBS" 2>&1 | tee "$log" || true
  count_results "$log"
}

all_under_valgrind() {
  local suites
  say "test: the core under valgrind"
  mapfile -t suites < <(core_suites dev)
  valgrind_suites "${suites[@]}"
}

# A script tests/peers/NAME.sh sets one up and runs the suites that meet it; it
# ends with 77 where it cannot.
second_peers() {
  local script result
  for script in tests/peers/*.sh; do
    [ -x "$script" ] || continue
    say "test: $script"
    result=0
    BUILD=$PWD/build/dev "$script" || result=$?
    case $result in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
  done
}

clean_machines() {
  local release
  for release in "${CLEAN_RELEASES[@]}"; do
    say "test: a machine with nothing but Debian $release"
    if clean_machine "$release" >"build/clean-$release.log" 2>&1; then
      passed=$((passed + 1))
    else
      printf 'see build/clean-%s.log\n' "$release"
      failed=$((failed + 1))
    fi
  done
}

# What is committed, on a system that has nothing: ./dev installs what it needs.
clean_machine() { # RELEASE
  local root=$PWD/build/clean/$1
  mkdir -p build/clean
  [ -d "$root/etc/apt" ] ||
    as_root debootstrap --variant=minbase "$1" "$root" || return 1
  as_root rm -rf "$root/sluice"
  as_root mkdir -p "$root/sluice"
  git archive HEAD | as_root tar -x -C "$root/sluice"
  # Mounts of its own, which end with it. shellcheck: $1 is the inner shell's.
  # shellcheck disable=SC2016
  as_root unshare --mount --pid --fork sh -ec '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    exec chroot "$1" sh -c "cd /sluice && ./dev test dev"' sh "$root"
}
