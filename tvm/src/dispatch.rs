//! The table of opcodes: tycho's codepage 0, entry by entry, with the BLS opcodes in their place and those
//! that store unsigned integers checked.

use std::sync::OnceLock;

use tycho_vm::{DispatchTable, OpcodeBase, OpcodeExec, VmResult, VmState, codepage0};

use crate::{bls, store_uint::StoreUint};

/// One past the last opcode, in 24 bits.
const END: u32 = 1 << 24;

/// An entry of tycho's table, on the part of its range that stays its own.
struct Borrowed {
    range: (u32, u32),
    inner: &'static dyn OpcodeExec,
}

impl OpcodeBase for Borrowed {
    fn range(&self) -> (u32, u32) {
        self.range
    }
}

impl OpcodeExec for Borrowed {
    fn exec(&self, st: &mut VmState<'_>, opcode: u32, bits: u16) -> VmResult<i32> {
        self.inner.exec(st, opcode, bits)
    }
}

/// TON's codepage 0.
pub fn codepage() -> &'static DispatchTable {
    static TABLE: OnceLock<DispatchTable> = OnceLock::new();
    TABLE.get_or_init(build)
}

fn build() -> DispatchTable {
    let mut table = DispatchTable::builder(codepage0().id());
    let mut add = |opcode: Box<dyn OpcodeExec>| {
        // Ranges come in order and do not overlap, so no entry is ever refused.
        let added = table.add_opcode(opcode);
        debug_assert!(added.is_ok(), "an opcode overlaps");
    };
    let mut at = 0;
    while at < END {
        let inner = codepage0().lookup(at);
        let (_, end) = inner.range();
        if (bls::FIRST_OPCODE..bls::END_OPCODE).contains(&at) {
            at = bls::END_OPCODE;
            for (opcode, _) in bls::OPCODES {
                add(Box::new(bls::BlsOpcode(*opcode)));
            }
            continue;
        }
        let end = if at < bls::FIRST_OPCODE { end.min(bls::FIRST_OPCODE) } else { end };
        match StoreUint::wrap((at, end), inner) {
            Some(checked) => add(Box::new(checked)),
            None => add(Box::new(Borrowed { range: (at, end), inner })),
        }
        at = end.max(at + 1);
    }
    table.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tycho shows an unused range as one entry; if it gains a BLS opcode, that entry falls apart.
    #[test]
    fn upstream_has_no_bls_opcodes() {
        let (from, to) = codepage0().lookup(bls::FIRST_OPCODE).range();
        assert!(
            from <= bls::FIRST_OPCODE && bls::END_OPCODE <= to,
            "tycho has gained opcodes in f930xx ({from:06x}..{to:06x}): compare them with ours, \
             then drop ours"
        );
    }

    #[test]
    fn every_opcode_of_tycho_stays_and_every_bls_opcode_is_ours() {
        let mut at = 0;
        let mut entries = 0;
        while at < END {
            let (from, to) = codepage().lookup(at).range();
            assert_eq!(from, at);
            if !(bls::FIRST_OPCODE..bls::END_OPCODE).contains(&at) {
                let (first, last) = codepage0().lookup(at).range();
                assert!(first <= from && to <= last, "{at:06x}");
                entries += 1;
            }
            at = to;
        }
        assert!(entries > 500, "only {entries} entries");
        for (opcode, name) in bls::OPCODES {
            assert_eq!(codepage().lookup(*opcode).range(), (*opcode, *opcode + 1), "{name}");
        }
    }
}
