//! The compiled code, as checked in.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tycho_types::{boc::Boc, cell::Cell};

/// A contract's compiled code.
#[derive(Debug, Clone)]
pub struct Code {
    /// The code.
    pub cell: Cell,
    /// Its hash, as the compiler gave it.
    pub hash: fog_protocol::Hash32,
    /// Depth of its cell tree.
    pub depth: u16,
    /// The compiler and its version.
    pub compiler: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Artefact {
    compiler: String,
    hash: fog_protocol::Hash32,
    code: String,
}

/// Checked-in files are part of the program: a damaged one is caught by the test below, so the
/// empty cell it would give here never ships.
fn load(json: &str) -> Code {
    let parsed = serde_json::from_str::<Artefact>(json).ok().and_then(|artefact| {
        let cell = Boc::decode(STANDARD.decode(&artefact.code).ok()?).ok()?;
        Some((artefact, cell))
    });
    match parsed {
        Some((artefact, cell)) => Code {
            depth: cell.repr_depth(),
            cell,
            hash: artefact.hash,
            compiler: artefact.compiler,
        },
        None => Code {
            cell: Cell::default(),
            hash: fog_protocol::Hash32::default(),
            depth: 0,
            compiler: String::new(),
        },
    }
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Code {
            static CODE: LazyLock<Code> =
                LazyLock::new(|| load(include_str!(concat!("../compiled/", $file, ".json"))));
            &CODE
        }
    };
}

code!(
    /// Code of `Market`.
    market_code,
    "market"
);
code!(
    /// Code of `Task`.
    task_code,
    "task"
);
code!(
    /// Code of `Stake`.
    stake_code,
    "stake"
);
code!(
    /// Code of `Delegation`.
    delegation_code,
    "delegation"
);
code!(
    /// Code of `Operator`.
    operator_code,
    "operator"
);
code!(
    /// Code of `Account`.
    account_code,
    "account"
);
code!(
    /// Code of `Earnings`.
    earnings_code,
    "earnings"
);
code!(
    /// Code of `JettonAccount`.
    jetton_account_code,
    "jetton_account"
);
code!(
    /// Code of `JettonEarnings`.
    jetton_earnings_code,
    "jetton_earnings"
);
code!(
    /// Code of `JettonTask`.
    jetton_task_code,
    "jetton_task"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_in_code_has_the_compilers_hash() {
        for code in [
            market_code(),
            task_code(),
            stake_code(),
            delegation_code(),
            operator_code(),
            account_code(),
            earnings_code(),
            jetton_account_code(),
            jetton_earnings_code(),
            jetton_task_code(),
        ] {
            assert_eq!(code.cell.repr_hash().0, code.hash.0);
            assert_eq!(code.compiler, "tolk 1.3.0");
        }
    }
}
