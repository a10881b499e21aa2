#!/bin/sh
# Installs into an empty prefix, then moves it: what was installed must work
# from anywhere. Builds and runs a consumer through pkg-config and through
# find_package(), static and shared; then one that has the sources as a folder.
# TOOL: not empty when the tool is built.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
consumer=$SOURCE/tests/install/consumer

"$CMAKE" --install "$BUILD" --prefix "$work/first" >"$work/log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
pc=$(dirname "$(find "$prefix" -name sluice.pc)")
libdir=$(dirname "$pc")
export PKG_CONFIG_PATH="$pc"

# uses PROGRAM yes|no: whether it was linked with the shared library.
uses() {
  found=no
  if "$READELF" -d "$1" | grep -q 'NEEDED.*\[libsluice\.so\.0\.2\]'; then
    found=yes
  fi
  if [ "$found" != "$2" ]; then
    echo "$1: linked with the shared library: $found"
    exit 1
  fi
}

# build PROGRAM SOURCE FLAGS...
build() {
  program=$work/$1 file=$consumer/$2
  shift 2
  "$CC" -std=c11 -Wall -Wextra -Werror "$file" -o "$program" "$@"
}

echo "pkg-config, shared"
# shellcheck disable=SC2046
build pc_shared main.c $(pkg-config --cflags --libs sluice)
uses "$work/pc_shared" yes
LD_LIBRARY_PATH=$libdir "$work/pc_shared"

echo "pkg-config, static"
# shellcheck disable=SC2046
build pc_static main.c $(pkg-config --static --cflags --libs sluice |
  sed 's/-lsluice\b/-l:libsluice.a/g')
uses "$work/pc_static" no
"$work/pc_static"

if [ -e "$pc/sluice-handlers.pc" ]; then
  echo "pkg-config, handlers"
  # shellcheck disable=SC2046
  build pc_handlers handlers.c $(pkg-config --cflags --libs sluice-handlers)
  LD_LIBRARY_PATH=$libdir "$work/pc_handlers"
fi
if [ -e "$pc/sluice-jemalloc.pc" ]; then
  echo "pkg-config, jemalloc"
  # shellcheck disable=SC2046
  build pc_jemalloc jemalloc.c $(pkg-config --cflags --libs sluice-jemalloc)
  LD_LIBRARY_PATH=$libdir "$work/pc_jemalloc"
fi

# quietly COMMAND...: its words only when it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
  }
}

# find_package SHARED yes|no: BUILD_SHARED_LIBS when Sluice was configured, and
# what that makes of sluice::sluice. Nothing else that is installed depends on it.
find_package() {
  echo "find_package, BUILD_SHARED_LIBS=$1"
  quietly "$CMAKE" -S "$SOURCE" -B "$work/configured" -DCMAKE_C_COMPILER="$CC" \
    -DBUILD_SHARED_LIBS="$1" -DSLUICE_TESTS=OFF -DSLUICE_BENCH=OFF
  cp "$work/configured/sluiceConfig.cmake" "$libdir/cmake/sluice/"
  quietly "$CMAKE" -S "$consumer" -B "$work/build" -DCMAKE_C_COMPILER="$CC" \
    -DCMAKE_PREFIX_PATH="$prefix"
  quietly "$CMAKE" --build "$work/build"
  uses "$work/build/plain" "$2"
  uses "$work/build/static" no
  uses "$work/build/shared" yes
  for program in plain static shared handlers handlers_static handlers_shared \
    jemalloc; do
    if [ -e "$work/build/$program" ]; then
      "$work/build/$program"
    fi
  done
}
find_package OFF no
find_package ON yes

# embed SHARED yes|no: BUILD_SHARED_LIBS, and whether the host is so linked.
embed() {
  echo "add_subdirectory, BUILD_SHARED_LIBS=$1"
  quietly "$CMAKE" -S "$SOURCE/tests/install/embedder" -B "$work/embedder" \
    -DCMAKE_C_COMPILER="$CC" -DSLUICE_SOURCE="$SOURCE" -DBUILD_SHARED_LIBS="$1"
  quietly "$CMAKE" --build "$work/embedder" --target host
  uses "$work/embedder/host" "$2"
  "$work/embedder/host"
}
embed OFF no
embed ON yes

# Neither where they were built nor where they lie: that is the host's affair.
for library in "$libdir"/libsluice*.so; do
  if "$READELF" -d "$library" | grep -E 'RUNPATH|RPATH'; then
    echo "$library has a run path"
    exit 1
  fi
done

# What else a user expects to find.
if [ -e "$SOURCE/tool/sluice.1" ]; then
  test -e "$prefix/share/man/man1/sluice.1"
fi
if [ -n "$TOOL" ]; then
  "$prefix/bin/sluice" --version
fi
