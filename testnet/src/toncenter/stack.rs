//! Stack values on the wire: toncenter's `[type, value]` pairs and tonlib's `@type` objects.

use num_bigint::BigInt;
use serde_json::{Value, json};

use super::dialect::{ApiError, boc, cell_from_text};
use crate::chain::StackItem;

/// How deep arguments may be nested; the VM has its own bound for values.
const MAX_DEPTH: usize = 32;

/// Reads the `stack` parameter.
pub(crate) fn arguments(value: Option<&Value>) -> Result<Vec<StackItem>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => entries.iter().map(|entry| item(entry, MAX_DEPTH)).collect(),
        // In a query the whole stack is JSON text.
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(entries)) => {
                entries.iter().map(|entry| item(entry, MAX_DEPTH)).collect()
            }
            _ => Err(bad("not a list")),
        },
        Some(_) => Err(bad("not a list")),
    }
}

fn bad(what: &str) -> ApiError {
    ApiError::parameter(format!("stack: {what}"))
}

fn item(entry: &Value, depth: usize) -> Result<StackItem, ApiError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(bad("nested too deep")) };
    match entry {
        Value::Null => Ok(StackItem::Null),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(kind)] if kind == "null" => Ok(StackItem::Null),
            [Value::String(kind), value] => typed(kind, value, depth),
            _ => Err(bad("an entry is a pair of type and value")),
        },
        Value::Object(fields) => {
            let kind = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            let field = match kind {
                "tvm.stackEntryNumber" => "number",
                "tvm.stackEntryCell" => "cell",
                "tvm.stackEntrySlice" => "slice",
                "tvm.stackEntryTuple" => "tuple",
                "tvm.stackEntryList" => "list",
                _ => return Err(bad("unknown @type")),
            };
            typed(field, fields.get(field).unwrap_or(&Value::Null), depth)
        }
        _ => Err(bad("an entry is a pair of type and value")),
    }
}

fn typed(kind: &str, value: &Value, depth: usize) -> Result<StackItem, ApiError> {
    match kind {
        "num" | "number" | "int" => number(value).map(StackItem::Int),
        "null" => Ok(StackItem::Null),
        "cell" | "tvm.Cell" => cell(value).map(StackItem::Cell),
        "slice" | "tvm.Slice" => cell(value).map(StackItem::Slice),
        "builder" | "tvm.Builder" => cell(value).map(StackItem::Builder),
        "tuple" | "tvm.Tuple" => elements(value, depth).map(StackItem::Tuple),
        // A list is pairs of head and tail that end in null.
        "list" | "tvm.List" => Ok(elements(value, depth)?
            .into_iter()
            .rev()
            .fold(StackItem::Null, |tail, head| StackItem::Tuple(vec![head, tail]))),
        _ => Err(bad("unknown type")),
    }
}

fn elements(value: &Value, depth: usize) -> Result<Vec<StackItem>, ApiError> {
    let list = match value {
        Value::Array(list) => list,
        Value::Object(fields) => match fields.get("elements") {
            Some(Value::Array(list)) => list,
            _ => return Err(bad("a tuple has elements")),
        },
        _ => return Err(bad("a tuple has elements")),
    };
    list.iter().map(|entry| item(entry, depth)).collect()
}

fn number(value: &Value) -> Result<BigInt, ApiError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // tonlib: {"@type":"tvm.numberDecimal","number":"1"}
        Value::Object(fields) => match fields.get("number") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Err(bad("not a number")),
        },
        _ => return Err(bad("not a number")),
    };
    parse_number(&text).ok_or_else(|| bad("not a number"))
}

fn parse_number(text: &str) -> Option<BigInt> {
    // 257 bits are 78 decimal digits; more is not a number of the VM and costs time to parse.
    if text.len() > 90 {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(['+', '-', '_']) => return None,
        Some(hex) => BigInt::parse_bytes(hex.as_bytes(), 16)?,
        None => BigInt::parse_bytes(digits.as_bytes(), 10)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn cell(value: &Value) -> Result<tycho_types::cell::Cell, ApiError> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(fields) => match fields.get("bytes") {
            Some(Value::String(text)) => text,
            _ => return Err(bad("a cell has bytes")),
        },
        _ => return Err(bad("a cell has bytes")),
    };
    cell_from_text(text).ok_or_else(|| bad("not a bag of cells"))
}

/// The elements of a list (pairs of head and tail that end in null), as tonlib recognises it.
fn list_elements(item: &StackItem) -> Option<Vec<&StackItem>> {
    let mut elements = Vec::new();
    let mut rest = item;
    loop {
        match rest {
            StackItem::Null => return Some(elements),
            StackItem::Tuple(pair) => {
                let [head, tail] = pair.as_slice() else { return None };
                elements.push(head);
                rest = tail;
            }
            _ => return None,
        }
    }
}

/// A result as `[type, value]`.
pub(crate) fn pair(item: &StackItem) -> Value {
    // tonlib shows null as an empty list; clients read that as null.
    if let Some(elements) = list_elements(item) {
        return json!(["list", list(&elements)]);
    }
    match item {
        StackItem::Int(value) => json!(["num", hex_number(value)]),
        StackItem::Cell(cell) => json!(["cell", { "bytes": boc(cell) }]),
        StackItem::Slice(cell) => json!(["slice", { "bytes": boc(cell) }]),
        StackItem::Builder(cell) => json!(["builder", { "bytes": boc(cell) }]),
        StackItem::Tuple(items) => json!(["tuple", tuple(items)]),
        StackItem::Null | StackItem::Nan | StackItem::Opaque => {
            json!(["unsupported", { "@type": "tvm.stackEntryUnsupported" }])
        }
    }
}

fn tuple(items: &[StackItem]) -> Value {
    json!({ "@type": "tvm.tuple", "elements": items.iter().map(entry).collect::<Vec<_>>() })
}

fn list(items: &[&StackItem]) -> Value {
    let elements: Vec<_> = items.iter().map(|item| entry(item)).collect();
    json!({ "@type": "tvm.list", "elements": elements })
}

/// A value inside a tuple, as tonlib's `@type` object.
pub(crate) fn entry(item: &StackItem) -> Value {
    if let Some(elements) = list_elements(item) {
        return json!({ "@type": "tvm.stackEntryList", "list": list(&elements) });
    }
    match item {
        StackItem::Int(value) => json!({
            "@type": "tvm.stackEntryNumber",
            "number": { "@type": "tvm.numberDecimal", "number": value.to_string() },
        }),
        StackItem::Cell(cell) => json!({
            "@type": "tvm.stackEntryCell",
            "cell": { "@type": "tvm.cell", "bytes": boc(cell) },
        }),
        StackItem::Slice(cell) => json!({
            "@type": "tvm.stackEntrySlice",
            "slice": { "@type": "tvm.slice", "bytes": boc(cell) },
        }),
        StackItem::Tuple(items) => json!({ "@type": "tvm.stackEntryTuple", "tuple": tuple(items) }),
        StackItem::Null | StackItem::Builder(_) | StackItem::Nan | StackItem::Opaque => {
            json!({ "@type": "tvm.stackEntryUnsupported" })
        }
    }
}

fn hex_number(value: &BigInt) -> String {
    let sign = if value.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    format!("{sign}0x{:x}", value.magnitude())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_in_every_form_and_written_as_hex() {
        let given = json!([["num", "0x10"], ["int", -5], ["num", "-0x1"], ["num", "12"]]);
        let items = arguments(Some(&given)).unwrap();
        let shown: Vec<_> = items.iter().map(pair).collect();
        assert_eq!(
            json!(shown),
            json!([["num", "0x10"], ["num", "-0x5"], ["num", "-0x1"], ["num", "0xc"]])
        );
        for wrong in ["", "0x", "0x-1", "--1", "+1", "1.5", "abc", "0x_1"] {
            assert!(arguments(Some(&json!([["num", wrong]]))).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_nested_pairs() {
        let items = arguments(Some(&json!([["list", [["num", 1], ["num", 2]]]]))).unwrap();
        let two = StackItem::Tuple(vec![StackItem::int(2), StackItem::Null]);
        assert_eq!(items, vec![StackItem::Tuple(vec![StackItem::int(1), two])]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop_oneof![
                "[ -~]{0,20}",
                Just("num".to_owned()),
                Just("cell".to_owned()),
                Just("tuple".to_owned()),
                Just("list".to_owned()),
                Just("te6cckEBAQEAAgAAAEysuc0=".to_owned()),
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(
                    prop_oneof![
                        Just("@type".to_owned()),
                        Just("elements".to_owned()),
                        "[a-z]{1,6}"
                    ],
                    inner,
                    0..4,
                )
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_stack_parameter_is_read_or_refused(value in any_json()) {
            if let Ok(items) = arguments(Some(&value)) {
                for item in &items {
                    let _ = pair(item);
                }
            }
        }
    }
}
