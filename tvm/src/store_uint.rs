//! Storing unsigned integers: tycho takes a negative one for its absolute value, TON refuses it.
//!
//! The reference asks whether the integer fits as unsigned, which no negative one does. So before
//! tycho's own opcode runs, a negative integer in its place becomes one that fits nowhere; where the
//! opcode is quiet and gives it back, the negative one is put there again.

use num_bigint::{BigInt, Sign};
use tycho_types::error::Error;
use tycho_vm::{OpcodeBase, OpcodeExec, RcStackValue, SafeRc, VmError, VmResult, VmState};

/// An opcode of the family: where its operands lie is in its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// The width is an operand, on top of the others.
    width_on_stack: bool,
    /// The integer lies above the builder.
    reversed: bool,
    /// It answers with a code instead of throwing.
    quiet: bool,
}

impl Form {
    /// The form of `opcode` (24 bits), if it stores unsigned: `STU` (`cbnn`), `STUX` and its kin
    /// (`cf01`, `cf03`, `cf05`, `cf07`), the same with a fixed width (`cf09nn`, `cf0b`, `cf0d`, `cf0f`),
    /// and with the width before the integer (`fa02`, `fa06`).
    fn of(opcode: u32) -> Option<Self> {
        let (first, second) = (opcode >> 16, opcode >> 8 & 0xff);
        match first {
            0xcb => Some(Self { width_on_stack: false, reversed: false, quiet: false }),
            0xcf if second < 0x10 && second & 1 == 1 => Some(Self {
                width_on_stack: second < 8,
                reversed: second & 2 != 0,
                quiet: second & 4 != 0,
            }),
            // `STVARUINT16` (`STGRAMS`) and `STVARUINT32`.
            0xfa if matches!(second, 2 | 6) => {
                Some(Self { width_on_stack: false, reversed: true, quiet: false })
            }
            _ => None,
        }
    }

    /// How far below the top the integer lies.
    const fn before(self) -> usize {
        !self.reversed as usize + self.width_on_stack as usize
    }

    /// The same once a quiet opcode gave everything back with a code on top.
    const fn after(self) -> usize {
        1 + !self.reversed as usize
    }
}

/// Tycho's opcode, asked to refuse negative integers where it stores unsigned ones.
pub(crate) struct StoreUint {
    range: (u32, u32),
    inner: &'static dyn OpcodeExec,
}

impl StoreUint {
    /// `inner` on the range that is given, if it begins with an opcode that stores integers.
    pub(crate) fn wrap(range: (u32, u32), inner: &'static dyn OpcodeExec) -> Option<Self> {
        let (first, second) = (range.0 >> 16, range.0 >> 8 & 0xff);
        let stores = match first {
            0xcb => true,
            0xcf => second < 0x10,
            0xfa => matches!(second, 2 | 3 | 6 | 7),
            _ => false,
        };
        stores.then_some(Self { range, inner })
    }
}

impl OpcodeBase for StoreUint {
    fn range(&self) -> (u32, u32) {
        self.range
    }
}

impl OpcodeExec for StoreUint {
    fn exec(&self, st: &mut VmState<'_>, opcode: u32, bits: u16) -> VmResult<i32> {
        let form = Form::of(opcode);
        let taken = form.and_then(|form| Some((form, take_negative(st, form.before())?)));
        let done = self.inner.exec(st, opcode, bits);
        let done = if opcode >> 16 == 0xfa { done.map_err(out_of_range)? } else { done? };
        let Some((form, negative)) = taken else { return Ok(done) };
        if form.quiet {
            put(st, form.after(), negative);
        }
        Ok(done)
    }
}

/// An amount that does not fit is out of range; tycho calls it an overflow.
fn out_of_range(error: Box<VmError>) -> Box<VmError> {
    match *error {
        VmError::CellError(Error::IntOverflow) | VmError::IntegerOverflow => {
            Box::new(VmError::IntegerOutOfRange {
                min: 0,
                max: isize::MAX,
                actual: error.to_string(),
            })
        }
        _ => error,
    }
}

/// Replaces a negative integer at this depth by one that has too many bits for any width.
fn take_negative(st: &mut VmState<'_>, depth: usize) -> Option<RcStackValue> {
    let at = st.stack.depth().checked_sub(depth + 1)?;
    let is = st.stack.items.get(at)?.as_int()?;
    if is.sign() != Sign::Minus {
        return None;
    }
    let wide: RcStackValue = SafeRc::new_dyn_value(BigInt::from(1) << 300);
    let items = &mut SafeRc::make_mut(&mut st.stack).items;
    Some(std::mem::replace(items.get_mut(at)?, wide))
}

fn put(st: &mut VmState<'_>, depth: usize, value: RcStackValue) {
    let stack = SafeRc::make_mut(&mut st.stack);
    let at = stack.depth().checked_sub(depth + 1);
    if let Some(place) = at.and_then(|at| stack.items.get_mut(at)) {
        *place = value;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tycho_types::cell::{Cell, CellBuilder};
    use tycho_vm::{GasParams, Stack, VmState};

    use crate::{dispatch::codepage, machine};

    /// Runs code (hexadecimal) and gives the exit code and the stack, top last, in words.
    fn run(code: &str) -> (i32, Vec<String>) {
        let bytes: Vec<u8> = (0..code.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&code[at..at + 2], 16).unwrap())
            .collect();
        let mut cell = CellBuilder::new();
        cell.store_raw(&bytes, (bytes.len() * 8) as u16).unwrap();
        let code: Cell = cell.build().unwrap();
        let mut vm = VmState::builder()
            .with_code(code)
            .with_gas(GasParams { max: 1_000_000, limit: 1_000_000, ..GasParams::getter() })
            .build();
        let exit = !machine::run(&mut vm);
        let word = |item: &tycho_vm::RcStackValue| {
            item.as_int().map_or_else(|| "other".to_owned(), ToString::to_string)
        };
        let stack: &Stack = &vm.stack;
        (exit, stack.items.iter().map(word).collect())
    }

    /// `PUSHINT -1` is 7f, `PUSHINT 1` 71, `NEWC` c8, `PUSHINT 8` 78. What the reference TVM gives.
    #[test]
    fn a_negative_integer_is_not_unsigned() {
        let _ = codepage();
        for (name, code) in [
            ("STU 8", "7fc8cb07"),
            ("STU 256", "7fc8cbff"),
            ("STUX 8", "7fc878cf01"),
            ("STUXR 8", "c87f78cf03"),
            ("STU 8, long", "7fc8cf0907"),
            ("STUR 8", "c87fcf0b07"),
            ("STGRAMS", "c87ffa02"),
            ("STVARUINT32", "c87ffa06"),
        ] {
            assert_eq!(run(code).0, 5, "{name}");
            // Positive, they go through.
            assert_eq!(run(&code.replace("7f", "71")).0, 0, "{name}");
        }
        let shown =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (name, code, stack) in [
            ("STUXQ 8", "7fc878cf05", ["-1", "other", "1"]),
            ("STUXRQ 8", "c87f78cf07", ["other", "-1", "1"]),
            ("STUQ 8", "7fc8cf0d07", ["-1", "other", "1"]),
            ("STURQ 8", "c87fcf0f07", ["other", "-1", "1"]),
        ] {
            assert_eq!(run(code), (0, shown(&stack)), "{name}");
        }
        // Too large a one is refused in the same way.
        for (code, exit) in [
            ("c88377fa02", 5),
            ("c88477fa02", 0),
            ("c883f7fa06", 5),
            ("c883f6fa06", 0),
            ("c88376fa03", 5),
            ("c88576fa03", 0),
            ("c883fffa02", 5),
            ("c883fffa03", 5),
            ("fa02", 2),
        ] {
            assert_eq!(run(code).0, exit, "{code}");
        }
        // Signed, they are as they were.
        for code in ["7fc8ca07", "7fc878cf00", "c87f78cf02", "7fc8cf0807", "c87ffa03", "c87ffa07"] {
            assert_eq!(run(code).0, 0, "{code}");
        }
    }
}
