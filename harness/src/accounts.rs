//! The parties of a local network. **LOCAL ONLY**: who knows the seed has the keys.

use std::num::NonZero;

use fog_protocol::{Address, Hash32, SecretKey};
use fog_testnet::accounts::local_seed;
use fog_wallet::{Mnemonic, MnemonicError, TESTNET, UnlockedWallet, Wallet, WalletVersion};

use crate::NetworkError;

/// One party: its words, key and wallet (v5r1).
#[derive(Debug)]
pub struct LocalAccount {
    /// Who it is.
    pub role: String,
    /// Its words.
    pub mnemonic: Mnemonic,
    /// Its wallet, ready to sign.
    pub wallet: UnlockedWallet,
}

impl LocalAccount {
    /// The account of `role` under `seed`.
    ///
    /// # Errors
    /// [`NetworkError::Setup`].
    pub fn new(seed: u64, role: &str) -> Result<Self, NetworkError> {
        let setup = |error: MnemonicError| NetworkError::Setup(error.to_string());
        let mnemonic = Mnemonic::local_only(&local_seed(seed, role)).map_err(setup)?;
        let key = mnemonic.secret_key();
        let wallet = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET)
            .map_err(|error| NetworkError::Setup(error.to_string()))?;
        Ok(Self { role: role.to_owned(), mnemonic, wallet: UnlockedWallet { wallet, key } })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.wallet.wallet.address()
    }
}

/// Everybody a network starts with.
#[derive(Debug)]
pub struct LocalAccounts {
    /// Owns the market.
    pub owner: LocalAccount,
    /// The node's wallet.
    pub operator: LocalAccount,
    /// Gets the market's fee.
    pub treasury: LocalAccount,
    /// Posts tasks.
    pub requestor: LocalAccount,
    /// Work.
    pub workers: Vec<LocalAccount>,
}

impl LocalAccounts {
    /// Everybody under `seed`.
    ///
    /// # Errors
    /// [`NetworkError::Setup`].
    pub fn new(seed: u64, workers: u32) -> Result<Self, NetworkError> {
        let mut roles: Vec<_> =
            ["owner", "operator", "treasury", "requestor"].map(str::to_owned).into();
        roles.extend((1..=workers).map(|number| format!("worker-{number}")));
        let mut accounts = derive(seed, &roles)?.into_iter();
        let missing = || NetworkError::Setup("an account was not derived".to_owned());
        let mut next = || accounts.next().ok_or_else(missing);
        Ok(Self {
            owner: next()?,
            operator: next()?,
            treasury: next()?,
            requestor: next()?,
            workers: accounts.collect(),
        })
    }

    /// Everybody, for a list.
    pub fn all(&self) -> impl Iterator<Item = &LocalAccount> {
        [&self.owner, &self.operator, &self.treasury, &self.requestor]
            .into_iter()
            .chain(&self.workers)
    }
}

/// The accounts of `roles`, in their order. Words are made to be slow to guess, a tenth of a second
/// each: every core takes its share, or they would be most of what a start takes.
fn derive(seed: u64, roles: &[String]) -> Result<Vec<LocalAccount>, NetworkError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let broken = |_| NetworkError::Setup("deriving an account broke off".to_owned());
    let shares: Vec<_> = std::thread::scope(|scope| {
        let share = |first: usize| {
            let mine = roles.iter().skip(first).step_by(cores);
            scope.spawn(move || mine.map(|role| LocalAccount::new(seed, role)).collect::<Vec<_>>())
        };
        let running: Vec<_> = (0..cores).map(share).collect();
        running.into_iter().map(|share| share.join().map_err(broken)).collect::<Result<_, _>>()
    })?;
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    let next = |at: usize| shares[at % cores].next();
    (0..roles.len()).map_while(next).collect()
}

/// A key of a local network that is not a wallet's.
pub(crate) fn local_key(seed: u64, role: &str) -> SecretKey {
    SecretKey::from_seed(&local_seed(seed, role))
}

/// A secret of a local network that is not a key.
pub(crate) fn local_secret(seed: u64, role: &str) -> Hash32 {
    Hash32(local_seed(seed, role))
}
