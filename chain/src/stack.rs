//! The stack of a get-method, typed.

use fog_protocol::{Address, Hash32};
use num_bigint::{BigInt, Sign};
use serde_json::{Value, json};
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, Load as _};
use tycho_types::models::{IntAddr, StdAddr};

use crate::ChainError;
use crate::json::Answer;

/// Longest text of a number: 257 bits and then some.
const MAX_NUMBER: usize = 100;
/// Entries of a stack, tuple or list read at most.
const MAX_ENTRIES: usize = 4096;

/// Why a stack is not what the caller expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// Fewer entries than asked for.
    #[error("it has no entry number {0}")]
    Missing(usize),
    /// An entry of another kind.
    #[error("entry number {at} is no {wanted}")]
    Kind {
        /// Which entry, counted from 0.
        at: usize,
        /// What was expected.
        wanted: &'static str,
    },
    /// A tuple or list cannot be given to a get-method here.
    #[error("only numbers, cells and slices can be passed to a get-method")]
    Argument,
}

/// One entry of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackEntry {
    /// Null, or something the gateway could not express.
    Null,
    /// A whole number (257 bits, signed).
    Num(BigInt),
    /// A cell.
    Cell(Cell),
    /// A slice, as the cell that holds exactly its bits and references.
    Slice(Cell),
    /// A tuple.
    Tuple(Vec<StackEntry>),
    /// A Lisp-style list.
    List(Vec<StackEntry>),
}

impl From<u64> for StackEntry {
    fn from(number: u64) -> Self {
        Self::Num(number.into())
    }
}

impl From<Hash32> for StackEntry {
    /// The hash as the unsigned 256-bit number contracts take.
    fn from(hash: Hash32) -> Self {
        Self::Num(BigInt::from_bytes_be(Sign::Plus, &hash.0))
    }
}

impl TryFrom<Address> for StackEntry {
    type Error = tycho_types::error::Error;

    /// A slice with the address in it.
    fn try_from(address: Address) -> Result<Self, Self::Error> {
        let address = StdAddr::new(address.workchain, tycho_types::cell::HashBytes(address.hash.0));
        CellBuilder::build_from(address).map(Self::Slice)
    }
}

/// The answer of a get-method.
#[derive(Debug, Clone)]
pub struct GetMethodResult {
    /// 0 or 1 for success.
    pub exit_code: i32,
    /// Gas it took.
    pub gas_used: u64,
    /// What it returned, first value first.
    pub stack: Vec<StackEntry>,
}

impl GetMethodResult {
    /// Whether it ran to its end.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self.exit_code, 0 | 1)
    }

    fn entry(&self, at: usize) -> Result<&StackEntry, StackError> {
        self.stack.get(at).ok_or(StackError::Missing(at))
    }

    /// Entry `at` as a number.
    ///
    /// # Errors
    /// [`StackError`] if it is missing or none.
    pub fn num(&self, at: usize) -> Result<&BigInt, StackError> {
        match self.entry(at)? {
            StackEntry::Num(number) => Ok(number),
            _ => Err(StackError::Kind { at, wanted: "number" }),
        }
    }

    /// Entry `at` as an integer of type `T` (`u8` to `u128`, `i8` to `i128`).
    ///
    /// # Errors
    /// [`StackError`] if it is missing, none, or does not fit.
    pub fn int<T: for<'a> TryFrom<&'a BigInt>>(&self, at: usize) -> Result<T, StackError> {
        T::try_from(self.num(at)?)
            .map_err(|_| StackError::Kind { at, wanted: "number of that size" })
    }

    /// Entry `at` as a flag: TVM's true is -1, any number but 0 counts.
    ///
    /// # Errors
    /// [`StackError`] if it is missing or no number.
    pub fn bool(&self, at: usize) -> Result<bool, StackError> {
        self.num(at).map(|number| number.sign() != Sign::NoSign)
    }

    /// Entry `at` as an unsigned 256-bit number, such as a hash or key.
    ///
    /// # Errors
    /// [`StackError`] if it is missing, negative or larger.
    pub fn hash(&self, at: usize) -> Result<Hash32, StackError> {
        let (sign, bytes) = self.num(at)?.to_bytes_be();
        if sign == Sign::Minus || bytes.len() > 32 {
            return Err(StackError::Kind { at, wanted: "hash" });
        }
        let mut hash = [0; 32];
        hash[32 - bytes.len()..].copy_from_slice(&bytes);
        Ok(Hash32(hash))
    }

    /// Entry `at` as a cell (or the cell of a slice).
    ///
    /// # Errors
    /// [`StackError`] if it is missing or neither.
    pub fn cell(&self, at: usize) -> Result<&Cell, StackError> {
        match self.entry(at)? {
            StackEntry::Cell(cell) | StackEntry::Slice(cell) => Ok(cell),
            _ => Err(StackError::Kind { at, wanted: "cell" }),
        }
    }

    /// Entry `at` as a cell that may be null.
    ///
    /// # Errors
    /// [`StackError`] if it is missing or something else.
    pub fn optional_cell(&self, at: usize) -> Result<Option<&Cell>, StackError> {
        match self.entry(at)? {
            StackEntry::Null => Ok(None),
            StackEntry::List(entries) | StackEntry::Tuple(entries) if entries.is_empty() => {
                Ok(None)
            }
            _ => self.cell(at).map(Some),
        }
    }

    /// Entry `at` as an address; `None` for the empty address (`addr_none`) or null.
    ///
    /// # Errors
    /// [`StackError`] if it is missing or no address.
    pub fn address(&self, at: usize) -> Result<Option<Address>, StackError> {
        let wrong = StackError::Kind { at, wanted: "address" };
        let Some(cell) = self.optional_cell(at)? else { return Ok(None) };
        let mut slice = cell.as_slice().map_err(|_| wrong.clone())?;
        if slice.size_bits() == 2 {
            return match slice.load_small_uint(2) {
                Ok(0) => Ok(None),
                Ok(_) | Err(_) => Err(wrong),
            };
        }
        match IntAddr::load_from(&mut slice) {
            Ok(IntAddr::Std(address)) => {
                Ok(Some(Address { workchain: address.workchain, hash: Hash32(address.address.0) }))
            }
            Ok(IntAddr::Var(_)) | Err(_) => Err(wrong),
        }
    }

    pub(crate) fn parse(answer: Answer<'_>) -> Result<Self, ChainError> {
        let gas_used = answer.optional("gas_used").map_or(Ok(0), |gas| gas.integer())?;
        let entries = answer.field("stack")?.array()?;
        Ok(Self {
            exit_code: answer.field("exit_code")?.integer()?,
            gas_used,
            stack: parse_entries(answer.method, entries, parse_row)?,
        })
    }
}

fn parse_entries(
    method: &'static str,
    entries: &[Value],
    parse: fn(Answer<'_>) -> Result<StackEntry, ChainError>,
) -> Result<Vec<StackEntry>, ChainError> {
    if entries.len() > MAX_ENTRIES {
        let what = format!("a stack of more than {MAX_ENTRIES} entries");
        return Err(ChainError::Malformed { method, what });
    }
    entries.iter().map(|entry| parse(Answer::new(method, entry))).collect()
}

/// An entry of the stack itself: `["num", "0x1"]`, `["cell", {"bytes": ...}]` and so on.
fn parse_row(row: Answer<'_>) -> Result<StackEntry, ChainError> {
    let [kind, value] = row.array()? else {
        return Err(row.malformed("a stack entry is not a pair"));
    };
    let value = Answer::new(row.method, value);
    match kind.as_str().unwrap_or_default() {
        "num" | "int" => parse_number(value),
        "cell" | "tvm.Cell" => parse_cell(value).map(StackEntry::Cell),
        "slice" | "tvm.Slice" => parse_cell(value).map(StackEntry::Slice),
        "tuple" => parse_elements(value).map(StackEntry::Tuple),
        "list" => parse_elements(value).map(null_if_empty),
        "null" | "unsupported" => Ok(StackEntry::Null),
        other => {
            let shown: String = other.chars().take(20).collect();
            Err(row.malformed(format!("unknown stack entry `{shown}`")))
        }
    }
}

/// An entry inside a tuple: `{"@type": "tvm.stackEntryNumber", "number": {...}}` and so on.
fn parse_element(element: Answer<'_>) -> Result<StackEntry, ChainError> {
    if element.value.is_null() {
        return Ok(StackEntry::Null);
    }
    if element.value.is_array() {
        return parse_row(element);
    }
    match element.field("@type")?.text()? {
        "tvm.stackEntryNumber" => parse_number(element.field("number")?.field("number")?),
        "tvm.stackEntryCell" => parse_cell(element.field("cell")?).map(StackEntry::Cell),
        "tvm.stackEntrySlice" => parse_cell(element.field("slice")?).map(StackEntry::Slice),
        "tvm.stackEntryTuple" => parse_elements(element.field("tuple")?).map(StackEntry::Tuple),
        "tvm.stackEntryList" => parse_elements(element.field("list")?).map(null_if_empty),
        _ => Ok(StackEntry::Null),
    }
}

fn parse_elements(value: Answer<'_>) -> Result<Vec<StackEntry>, ChainError> {
    let elements = value.optional("elements").unwrap_or(value).array()?;
    parse_entries(value.method, elements, parse_element)
}

/// The dialect writes null as an empty list.
fn null_if_empty(entries: Vec<StackEntry>) -> StackEntry {
    if entries.is_empty() { StackEntry::Null } else { StackEntry::List(entries) }
}

fn parse_number(value: Answer<'_>) -> Result<StackEntry, ChainError> {
    let number = match value.value {
        Value::Number(number) => {
            number.as_i64().map(BigInt::from).or_else(|| number.as_u64().map(BigInt::from))
        }
        Value::String(text) if text.len() <= MAX_NUMBER => {
            let (minus, digits) =
                text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
            let (digits, radix) =
                digits.strip_prefix("0x").map_or((digits, 10), |digits| (digits, 16));
            // The parser of big integers takes signs and underscores too.
            digits
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then(|| BigInt::parse_bytes(digits.as_bytes(), radix))
                .flatten()
                .map(|number| if minus { -number } else { number })
        }
        _ => None,
    };
    number
        .filter(|number| number.bits() <= 257)
        .map(StackEntry::Num)
        .ok_or_else(|| value.malformed("a number on the stack cannot be read"))
}

fn parse_cell(value: Answer<'_>) -> Result<Cell, ChainError> {
    let bytes = value.optional("bytes").unwrap_or(value);
    bytes.cell()?.ok_or_else(|| value.malformed("a cell on the stack is empty"))
}

/// The stack as the dialect takes it: first argument first.
pub(crate) fn to_json(stack: &[StackEntry]) -> Result<Value, StackError> {
    let rows = stack.iter().map(|entry| match entry {
        StackEntry::Num(number) => {
            let (sign, digits) = (number.sign(), number.magnitude().to_str_radix(16));
            let minus = if sign == Sign::Minus { "-" } else { "" };
            Ok(json!(["num", format!("{minus}0x{digits}")]))
        }
        StackEntry::Cell(cell) => Ok(json!(["tvm.Cell", Boc::encode_base64(cell)])),
        StackEntry::Slice(cell) => Ok(json!(["tvm.Slice", Boc::encode_base64(cell)])),
        StackEntry::Null | StackEntry::Tuple(_) | StackEntry::List(_) => Err(StackError::Argument),
    });
    rows.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parse(value: &Value) -> Result<GetMethodResult, ChainError> {
        GetMethodResult::parse(Answer::new("runGetMethod", value))
    }

    #[test]
    fn every_kind_of_entry() {
        let cell = CellBuilder::build_from(5u32).unwrap();
        let bytes = Boc::encode_base64(&cell);
        let address = Address::basechain([7; 32]);
        let StackEntry::Slice(held) = StackEntry::try_from(address).unwrap() else { panic!() };
        let result = parse(&json!({"exit_code": 0, "gas_used": 10, "stack": [
            ["num", "0x1f"], ["num", "-0x1"], ["cell", {"bytes": bytes}],
            ["slice", {"bytes": Boc::encode_base64(&held)}],
            ["list", {"@type": "tvm.list", "elements": []}],
            ["tuple", {"@type": "tvm.tuple", "elements": [
                {"@type": "tvm.stackEntryNumber",
                 "number": {"@type": "tvm.numberDecimal", "number": "12"}},
                {"@type": "tvm.stackEntryCell", "cell": {"@type": "tvm.cell", "bytes": bytes}},
            ]}],
        ]}));
        let result = result.unwrap();
        assert_eq!(result.int::<u8>(0), Ok(31));
        assert_eq!(result.bool(1), Ok(true));
        assert_eq!(result.cell(2), Ok(&cell));
        assert_eq!(result.address(3), Ok(Some(address)));
        assert_eq!(result.stack[4], StackEntry::Null);
        assert_eq!(result.stack[5], StackEntry::Tuple(vec![12u64.into(), StackEntry::Cell(cell)]));
        assert_eq!(
            result.int::<u8>(1),
            Err(StackError::Kind { at: 1, wanted: "number of that size" })
        );
        assert_eq!(result.num(9), Err(StackError::Missing(9)));
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let word = prop::sample::select(vec![
            "num",
            "cell",
            "slice",
            "tuple",
            "list",
            "0x",
            "-",
            "0x-1",
            "zz",
            "bytes",
            "@type",
            "tvm.stackEntryNumber",
            "tvm.stackEntryTuple",
            "number",
            "elements",
            "te6ccgEBAQEAAgAAAA==",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((word.clone(), inner), 0..4).prop_map(|fields| {
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn any_stack_parses_or_is_refused(rows in proptest::collection::vec(any_json(), 0..5)) {
            let _ = parse(&json!({"exit_code": 0, "stack": rows}));
            for row in &rows {
                let _ = parse(row);
            }
        }

        #[test]
        fn numbers_round_trip(bytes in proptest::collection::vec(0u8.., 0..32), minus: bool) {
            let sign = if minus { Sign::Minus } else { Sign::Plus };
            let number = StackEntry::Num(BigInt::from_bytes_be(sign, &bytes));
            let stack = to_json(std::slice::from_ref(&number)).unwrap();
            let result = parse(&json!({"exit_code": 0, "stack": stack})).unwrap();
            proptest::prop_assert_eq!(&result.stack[0], &number);
        }
    }
}
