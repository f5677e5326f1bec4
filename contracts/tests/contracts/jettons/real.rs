//! Real jettons: code from the PyPI package `ton-core` (MIT), which carries other people's compiled
//! contracts. Two of them, whose wallets lay their data out differently:
//! the reference implementation of TEP-74 with TEP-89, and the governed one that stablecoins use, in
//! its newer version: each of its wallets lies in its owner's shard, by an address that begins with
//! the owner's. (The older version's wallet code is a library of the public network.)

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use fog_contracts::{
    Units,
    jetton::{self, Transfer},
};
use fog_protocol::{Address, Nano};
use fog_testnet::chain::{self, Chain, StackItem, Treasury};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellFamily as _, Load as _, Store as _},
    models::{StateInit, StdAddr},
    num::Tokens,
};

use crate::{
    solo::{body, put_address},
    world::{ours, std},
};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Reference,
    Governed,
}

impl Make {
    pub(crate) const ALL: [Self; 2] = [Self::Reference, Self::Governed];

    fn codes(self) -> (Cell, Cell) {
        let (master, wallet) = match self {
            Self::Reference => ("JettonMasterStandard", "JettonWalletStandard"),
            Self::Governed => ("JettonMasterStablecoinV2", "JettonWalletStablecoinV2"),
        };
        (CODES[master].clone(), CODES[wallet].clone())
    }

    /// What its contracts take as a payment of their rent.
    pub(crate) fn top_up(self) -> Cell {
        match self {
            Self::Reference => Cell::default(),
            Self::Governed => body(0xd372_158c, 0, |_| ()),
        }
    }
}

static CODES: LazyLock<BTreeMap<String, Cell>> = LazyLock::new(|| {
    let python = install();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jettons/codes.py");
    let output = Command::new(python).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let codes: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
    let cell = |hex: &String| Boc::decode(hex::decode(hex).unwrap()).unwrap();
    codes.iter().map(|(name, code)| (name.clone(), cell(code))).collect()
});

/// The pinned package in an environment of its own, installed once.
fn install() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jettons-python");
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jettons/requirements.txt");
    let (python, stamp) = (home.join("bin/python"), home.join("fog-installed"));
    let wanted = std::fs::read_to_string(&pins).unwrap();
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    let run = |command: &mut Command| {
        let done = command.output().expect("Python 3.11 or newer with its venv module");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    run(Command::new(&python).args(pip).args(["--require-hashes", "-r"]).arg(&pins));
    std::fs::write(stamp, wanted).unwrap();
    python
}

/// This wallet code, which at times throws 45 instead of sending: one `transfer` of seven, as its
/// transaction's logical time has it. Everything else goes on to the code itself.
fn moody(code: &Cell) -> Cell {
    let mut moody = CellBuilder::new();
    // DUP, IFJMPREF: a get-method. OVER, 32 PLDUQ, 0 EQINT, IFJMPREF: no word.
    moody
        .store_raw(&[0x20, 0xe3, 0x02, 0x21, 0xd7, 0x0f, 0x1f, 0xc0, 0x00, 0xe3, 0x02], 88)
        .unwrap();
    // PUSHINT, of 35 bits; EQUAL.
    moody.store_uint(0x82, 8).unwrap();
    moody.store_uint(2, 5).unwrap();
    moody.store_uint(jetton::op::TRANSFER.into(), 35).unwrap();
    moody.store_u8(0xba).unwrap();
    // LTIME, 7 MOD, 0 EQINT, AND, 45 THROWIF; and then what is referred to.
    moody.store_raw(&[0xf8, 0x25, 0x77, 0xa9, 0x08, 0xc0, 0x00, 0xb0, 0xf2, 0x6d], 80).unwrap();
    (0..3).for_each(|_| moody.store_reference(code.clone()).unwrap());
    moody.build().unwrap()
}

/// How a jetton's wallets take a `transfer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Steady,
    /// They throw one of seven back.
    Throwing,
}

/// A jetton on a chain.
#[derive(Debug, Clone)]
pub(crate) struct Jetton {
    pub(crate) make: Make,
    pub(crate) master: Address,
    admin: Treasury,
}

fn drain(chain: &mut Chain) {
    while chain.backlog() > 0 {
        chain.mine().unwrap();
    }
}

fn coins(cell: &mut CellBuilder, amount: u128) {
    Tokens::new(amount).store_into(cell, Cell::empty_context()).unwrap();
}

impl Jetton {
    /// Deploys its master; `salt` makes several of one kind.
    pub(crate) fn deploy(chain: &mut Chain, admin: &Treasury, make: Make, salt: u8) -> Self {
        Self::deploy_in(chain, admin, make, Mood::Steady, salt)
    }

    /// The same, with wallets of this mood.
    pub(crate) fn deploy_in(
        chain: &mut Chain,
        admin: &Treasury,
        make: Make,
        mood: Mood,
        salt: u8,
    ) -> Self {
        let (code, wallet_code) = make.codes();
        let wallet_code = if mood == Mood::Throwing { moody(&wallet_code) } else { wallet_code };
        let mut content = CellBuilder::new();
        content.store_u8(1).unwrap();
        content.store_u8(salt).unwrap();
        let content = content.build().unwrap();
        let mut data = CellBuilder::new();
        coins(&mut data, 0);
        put_address(&mut data, ours(&admin.address));
        let refs = match make {
            Make::Reference => [content, wallet_code],
            Make::Governed => {
                data.store_zeros(2).unwrap();
                [wallet_code, content]
            }
        };
        refs.into_iter().for_each(|cell| data.store_reference(cell).unwrap());
        let data = Some(data.build().unwrap());
        let init = StateInit { code: Some(code), data, ..StateInit::default() };
        let master = Address::basechain(CellBuilder::build_from(&init).unwrap().repr_hash().0);
        let empty = chain::Transfer::deploy(std(&master), 1_000_000_000, init, make.top_up());
        chain.send_from(admin, &empty).unwrap();
        drain(chain);
        Self { make, master, admin: admin.clone() }
    }

    /// New ones for `to`.
    pub(crate) fn mint(&self, chain: &mut Chain, to: Address, amount: u128) {
        let internal = body(0x178d_4519, 0, |b| {
            coins(b, amount);
            b.store_zeros(4).unwrap();
            coins(b, 0);
            b.store_bit_zero().unwrap();
        });
        let op = if self.make == Make::Reference { 21 } else { 0x642b_7d07 };
        let mint = body(op, 0, |b| {
            put_address(b, to);
            coins(b, 100_000_000);
            b.store_reference(internal).unwrap();
        });
        let before = self.balance(chain, &to);
        let call = chain::Transfer::call(std(&self.master), 500_000_000, mint);
        chain.send_from(&self.admin, &call).unwrap();
        drain(chain);
        assert_eq!(self.balance(chain, &to) - before, amount, "{:?} minted", self.make);
    }

    /// What the master says is this owner's wallet.
    pub(crate) fn wallet_of(&self, chain: &Chain, owner: &Address) -> Address {
        let mut argument = CellBuilder::new();
        put_address(&mut argument, *owner);
        let argument = [StackItem::Slice(argument.build().unwrap())];
        let output =
            chain.run_get_method(&std(&self.master), "get_wallet_address", &argument).unwrap();
        let cell = output.stack[0].as_cell().unwrap();
        ours(&StdAddr::load_from(&mut cell.as_slice().unwrap()).unwrap())
    }

    /// What an owner has; zero where there is no wallet.
    pub(crate) fn balance(&self, chain: &Chain, owner: &Address) -> u128 {
        wallet_balance(chain, &self.wallet_of(chain, owner))
    }

    /// All there are.
    pub(crate) fn supply(&self, chain: &Chain) -> u128 {
        let data = chain.account(&std(&self.master)).unwrap().data.unwrap();
        Tokens::load_from(&mut data.as_slice().unwrap()).unwrap().into_inner()
    }

    /// From this owner's own wallet to `to`.
    pub(crate) fn transfer(
        &self,
        chain: &Chain,
        from: &Treasury,
        to: Address,
        amount: u128,
        forward: u64,
    ) -> chain::Transfer {
        let owner = ours(&from.address);
        let transfer = Transfer {
            amount: Units::new(amount).unwrap(),
            to,
            response: owner,
            forward: Nano::new(forward),
        };
        let wallet = std(&self.wallet_of(chain, &owner));
        chain::Transfer::call(wallet, 200_000_000, transfer.body(7).unwrap())
    }
}

/// Both layouts begin with the balance.
pub(crate) fn wallet_balance(chain: &Chain, wallet: &Address) -> u128 {
    let data = chain.account(&std(wallet)).unwrap().data;
    data.map_or(0, |data| Tokens::load_from(&mut data.as_slice().unwrap()).unwrap().into_inner())
}
