//! What a streaming client asked for.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use crate::toncenter::address::{self, hash_from_text};

/// Most accounts, and most traces, of one subscription.
const MAX_NAMED: usize = 1_000;

/// The kinds of events a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventType {
    Transactions,
    Actions,
    Trace,
    AccountStateChange,
    JettonsChange,
}

impl EventType {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "transactions" => Self::Transactions,
            "actions" => Self::Actions,
            "trace" => Self::Trace,
            "account_state_change" => Self::AccountStateChange,
            "jettons_change" => Self::JettonsChange,
            _ => return None,
        })
    }
}

/// A subscription. What is executed here is final at once, so every finality that may be asked for
/// is served by events that are `finalized`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscription {
    pub(crate) addresses: BTreeSet<StdAddr>,
    /// Normalised hashes of the external messages that begin the traces.
    pub(crate) traces: BTreeSet<HashBytes>,
    pub(crate) types: BTreeSet<EventType>,
    /// Kinds of actions; all if empty.
    pub(crate) action_types: BTreeSet<String>,
    pub(crate) with_address_book: bool,
    pub(crate) with_metadata: bool,
}

impl Subscription {
    pub(crate) fn wants(&self, kind: EventType) -> bool {
        self.types.contains(&kind)
    }

    /// Reads a request to subscribe; the error is the dialect's.
    pub(crate) fn read(request: &Map<String, Value>) -> Result<Self, String> {
        let invalid = |what: &str| format!("invalid subscription request: {what}");
        let mut types = BTreeSet::new();
        for name in texts(request, "types")? {
            types.insert(EventType::read(&name).ok_or(format!("invalid event type: {name}"))?);
        }
        if types.is_empty() {
            return Err("types are required for subscription".to_owned());
        }
        let addresses = addresses(request)?;
        let named = texts(request, "trace_external_hash_norms")?;
        let traces = trace_hashes(&named)?;
        let has_trace = types.contains(&EventType::Trace);
        if !named.is_empty() && !has_trace {
            return Err("trace_external_hash_norms requires type \"trace\"".to_owned());
        }
        if named.is_empty() && has_trace {
            return Err("trace_external_hash_norms are required for trace subscription".to_owned());
        }
        if addresses.is_empty() && types.iter().any(|kind| *kind != EventType::Trace) {
            return Err("addresses are required for subscription".to_owned());
        }
        match request.get("min_finality") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => match text.as_str() {
                "pending" | "confirmed" | "finalized" => {}
                other => return Err(invalid(&format!("unknown finality state: {other}"))),
            },
            Some(_) => return Err(invalid("min_finality is not a text")),
        }
        texts(request, "supported_action_types")?;
        let flag = |name: &str| match request.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(invalid(&format!("{name} is not a truth value"))),
        };
        Ok(Self {
            addresses,
            traces,
            types,
            action_types: texts(request, "action_types")?.into_iter().collect(),
            with_address_book: flag("include_address_book")?,
            with_metadata: flag("include_metadata")?,
        })
    }

    /// Takes away what an unsubscription names; the error is the dialect's.
    pub(crate) fn remove(&mut self, request: &Map<String, Value>) -> Result<(), String> {
        let (addresses, named) =
            (addresses(request)?, texts(request, "trace_external_hash_norms")?);
        if addresses.is_empty() && named.is_empty() {
            return Err("addresses or trace_external_hash_norms are required".to_owned());
        }
        let traces = trace_hashes(&named)?;
        self.addresses.retain(|address| !addresses.contains(address));
        self.traces.retain(|trace| !traces.contains(trace));
        Ok(())
    }
}

fn addresses(request: &Map<String, Value>) -> Result<BTreeSet<StdAddr>, String> {
    let read = |text: String| {
        let given = address::parse(&text).ok_or(format!("invalid address: {text}"))?;
        Ok(given.address)
    };
    texts(request, "addresses")?.into_iter().map(read).collect()
}

/// Any text may be named as a trace; what is no hash never comes.
fn trace_hashes(named: &[String]) -> Result<BTreeSet<HashBytes>, String> {
    if named.iter().any(|text| text.trim().is_empty()) {
        return Err("trace_external_hash_norms contains empty value".to_owned());
    }
    Ok(named.iter().filter_map(|text| hash_from_text(text)).collect())
}

fn texts(request: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("invalid subscription request: {name} is not a list of texts");
    let values = match request.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(wrong()),
    };
    if values.len() > MAX_NAMED {
        return Err(format!("too many {name}: {} > max {MAX_NAMED}", values.len()));
    }
    values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Subscription, String> {
        Subscription::read(value.as_object().unwrap())
    }

    #[test]
    fn what_a_type_needs_must_be_there() {
        let account = format!("0:{}", "11".repeat(32));
        let wrong = [
            (json!({}), "types are required"),
            (json!({ "types": ["x"] }), "invalid event type: x"),
            (json!({ "types": ["transactions"] }), "addresses are required"),
            (json!({ "types": ["trace"] }), "norms are required for trace"),
            (json!({ "types": ["transactions"], "addresses": ["x"] }), "invalid address: x"),
            (json!({ "types": "transactions" }), "types is not a list"),
            (
                json!({ "types": ["actions"], "addresses": [account], "trace_external_hash_norms": ["x"] }),
                "requires type",
            ),
            (
                json!({ "types": ["actions"], "addresses": [account], "min_finality": "soon" }),
                "unknown finality state: soon",
            ),
        ];
        for (request, expected) in wrong {
            let error = read(request.clone()).unwrap_err();
            assert!(error.contains(expected), "{request}: {error}");
        }
        let mut subscription =
            read(json!({ "types": ["actions"], "addresses": [account, account] })).unwrap();
        assert_eq!(subscription.addresses.len(), 1);
        let request = json!({ "addresses": [account] });
        subscription.remove(request.as_object().unwrap()).unwrap();
        assert!(subscription.addresses.is_empty());
    }

    proptest! {
        #[test]
        fn any_request_is_read_or_refused(
            types in prop::collection::vec("[a-z_]{0,12}", 0..4),
            names in prop::collection::vec("\\PC{0,50}", 0..4),
            other in any::<i64>(),
        ) {
            let _ = read(json!({ "types": types, "addresses": names }));
            let _ = read(json!({ "types": ["trace"], "trace_external_hash_norms": names }));
            let _ = read(json!({ "types": other, "addresses": types, "min_finality": other }));
        }
    }
}
