#!/bin/sh
# Builds the checked-in guests. Needs Debian's clang, lld, wasi-libc and the wasm32 compiler-rt:
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32
# The result is reproducible: the same packages give the same bytes.
set -eu
cd "$(dirname "$0")"
CLANG="${CLANG:-clang-14}"
for source in */*.c; do
    guest="$(basename "$source" .c)"
    "$CLANG" --target=wasm32-wasi -std=c11 -O2 -Wall -Wextra -Werror \
        -Wl,--strip-all -Wl,-z,stack-size=65536 \
        -o "$guest.wasm" "$source"
    echo "$guest.wasm $(wc -c <"$guest.wasm") bytes sha256 $(sha256sum "$guest.wasm" | cut -d' ' -f1)"
done
