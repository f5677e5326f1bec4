//! The scenarios that come with the program.

/// A scenario's name and text.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Its name, as the command takes it.
    pub name: &'static str,
    /// Its file's text.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal,)*) => {
        const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        },)*];
    };
}

shipped! {
    "happy-market",
    "cheater",
    "late-worker",
    "vanished-worker",
    "vanished-requestor",
    "vanished-node",
    "stake-withdrawn",
    "replayed-verdict",
    "colluding-pair",
    "bouncing-wallets",
    "unsteady-chain",
    "lying-chain",
    "ten-years",
    "price-war",
    "restart-everything",
}

/// All of them.
#[must_use]
pub const fn shipped() -> &'static [Shipped] {
    SHIPPED
}
