#!/bin/sh
# Builds the checked-in guests into the folder named (default: here), each where its toolchain is:
#   C               apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32
#   Rust            apt-get install rustc libstd-rust-dev-wasm32   (1.63; RUSTC names another)
#   AssemblyScript  npm install assemblyscript@0.28.17             (ASC names its asc)
#   components      cargo, for the example `componentize` of the verifier; COMPONENTIZE names a
#                   built one, or is "none": then what it would wrap is left as NAME.core.wasm
# The results are reproducible: the same packages give the same bytes.
set -eu
OUT="$(mkdir -p "${1:-$(dirname "$0")}" && cd "${1:-$(dirname "$0")}" && pwd)"
cd "$(dirname "$0")"
CLANG="${CLANG:-clang-14}"
RUSTC="${RUSTC:-/usr/bin/rustc}"
ASC="${ASC:-asc}"
COMPONENTIZE="${COMPONENTIZE:-cargo run --quiet -p fog-verifier --example componentize --}"

have() { command -v "$1" >/dev/null 2>&1 || { echo "skipped $2: no $1"; return 1; }; }
built() { echo "$1.wasm $(wc -c <"$OUT/$1.wasm") bytes sha256 $(sha256sum "$OUT/$1.wasm" | cut -d' ' -f1)"; }
clang() {
    "$CLANG" --target=wasm32-wasi -std=c11 -O2 -Wall -Wextra -Werror \
        -Wl,--strip-all -Wl,-z,stack-size=65536 "$@"
}

if have "$CLANG" "C commands"; then
    for source in */*.c; do
        guest="$(basename "$source" .c)"
        [ "$guest" = words ] && continue
        clang -o "$OUT/$guest.wasm" "$source"
        built "$guest"
    done
fi
if have "$CLANG" words; then
    clang -mexec-model=reactor -o "$OUT/words.core.wasm" words/words.c
    if [ "$COMPONENTIZE" != none ]; then
        $COMPONENTIZE "$OUT/words.core.wasm" task "$OUT/words.wasm"
        rm "$OUT/words.core.wasm"
        built words
    fi
fi
if have "$RUSTC" primes && "$RUSTC" --version | grep -q '^rustc 1\.63\.'; then
    "$RUSTC" --target wasm32-wasi --edition 2021 -C opt-level=s -C panic=abort -C lto=fat \
        -C strip=symbols -C codegen-units=1 --remap-path-prefix "$PWD=." \
        -o "$OUT/primes.wasm" primes/primes.rs
    built primes
fi
if have "$ASC" crc32; then
    "$ASC" crc32/crc32.ts -O3 --runtime stub --use abort= --noAssert -o "$OUT/crc32.wasm"
    built crc32
fi
if [ "$COMPONENTIZE" != none ]; then
    $COMPONENTIZE reverse/reverse.wat "$OUT/reverse.wasm"
    built reverse
fi
