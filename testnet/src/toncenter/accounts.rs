//! Methods about accounts: their state, wallets, get-methods.

use serde_json::{Value, json};
use tycho_types::prelude::*;

use super::address::{self, base64, friendly};
use super::dialect::{ApiError, Parameters, ParametersExt, boc};
use super::shape::{block_id, extra, transaction_id};
use super::stack;
use crate::chain::{AccountStatus, AccountView, Chain, MethodId, missing_account};

/// Names of wallet contracts by the hash of their code, and where their numbers are.
const WALLETS: &[(&str, &str, Layout)] = &[
    ("oM/CxIruFqJx8s/AtzgtgXVs7LEBfQd/qqs7tgL2how=", "wallet v1 r1", Layout::SeqnoOnly),
    ("1JAvzJ+tdGmPqONTIgpo2g3PcuMryy657gQhfBfTBiw=", "wallet v1 r2", Layout::SeqnoOnly),
    ("WHzHie/xyE9G7DeX5F/ICaFP9a4k8eDHpqmcydyQYf8=", "wallet v1 r3", Layout::SeqnoOnly),
    ("XJpeaMEI4YchoHxC+ZVr+zmtd+xtYktgxXbsiO7mUyk=", "wallet v2 r1", Layout::SeqnoOnly),
    ("/pUw0yQ4Uwg+8u8LTCkIwKv2+hwx6iQ6rKpb+MfXU/E=", "wallet v2 r2", Layout::SeqnoOnly),
    ("thBBpYp5gLlG6PueGY48kE0keZ/6NldOpCUcQaVm9YE=", "wallet v3 r1", Layout::SeqnoFirst),
    ("hNr6RJ+Ypph3ibojI1gHK8D3bcRSQAKl0JGLmnXS1Zk=", "wallet v3 r2", Layout::SeqnoFirst),
    ("ZN1UgFUixb6KnbWc6gEFzPDQh4bKeb64y3nogKjXMi0=", "wallet v4 r1", Layout::SeqnoFirst),
    ("/rX/aCDi/w2Ug+fg1iyBfYRniftK5YDIeIZtlZ2r1cA=", "wallet v4 r2", Layout::SeqnoFirst),
    ("IINLe3KxEhR+Gy+0V7hOdNGjDwT3N9T2KmaOlVLSty8=", "wallet v5 r1", Layout::FlagFirst),
];

/// Where a wallet's data has its numbers.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// seqno, wallet id
    SeqnoFirst,
    /// a flag, seqno, wallet id
    FlagFirst,
    /// seqno, no wallet id
    SeqnoOnly,
}

/// A wallet contract's numbers.
pub(crate) struct Wallet {
    pub(crate) name: &'static str,
    pub(crate) seqno: u32,
    /// v1 and v2 have none.
    pub(crate) id: Option<u32>,
    /// Whether it takes signed messages; only v5 can say no.
    pub(crate) signature_allowed: Option<bool>,
}

pub(crate) fn wallet_of(view: &AccountView) -> Option<Wallet> {
    let hash = base64(view.code.as_ref()?.repr_hash().as_slice());
    let (_, name, layout) = WALLETS.iter().find(|(known, _, _)| *known == hash)?;
    let mut data = view.data.as_ref()?.as_slice().ok()?;
    let signature_allowed = match layout {
        Layout::FlagFirst => Some(data.load_bit().ok()?),
        Layout::SeqnoFirst | Layout::SeqnoOnly => None,
    };
    let seqno = data.load_u32().ok()?;
    let id = match layout {
        Layout::SeqnoOnly => None,
        Layout::SeqnoFirst | Layout::FlagFirst => Some(data.load_u32().ok()?),
    };
    Some(Wallet { name, seqno, id, signature_allowed })
}

pub(crate) fn state_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Missing | AccountStatus::Uninit => "uninitialized",
        AccountStatus::Active => "active",
        AccountStatus::Frozen => "frozen",
    }
}

fn cell_text(cell: Option<&Cell>) -> String {
    cell.map(boc).unwrap_or_default()
}

fn hash_text(hash: Option<&HashBytes>) -> String {
    hash.map(|hash| base64(hash.as_slice())).unwrap_or_default()
}

fn view(chain: &Chain, parameters: &Parameters) -> Result<AccountView, ApiError> {
    present_only(chain, parameters)?;
    Ok(chain.account(&parameters.address("address")?)?)
}

/// Only the present state is kept; an old one must not be answered with it.
fn present_only(chain: &Chain, parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.unsigned("seqno")? {
        Some(seqno) if seqno < u64::from(chain.last_block().seqno) => {
            Err(ApiError::parameter("seqno: the state of past blocks is not kept"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn information(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let view = view(chain, parameters)?;
    let last = chain.last_block();
    Ok(json!({
        "@type": "raw.fullAccountState",
        "balance": view.balance.to_string(),
        "extra_currencies": [],
        "code": cell_text(view.code.as_ref()),
        "data": cell_text(view.data.as_ref()),
        "last_transaction_id": transaction_id(view.last_lt, &view.last_hash),
        "block_id": block_id(last, -1),
        "frozen_hash": hash_text(view.frozen_hash.as_ref()),
        "sync_utime": last.gen_utime,
        "@extra": extra(last),
        "state": state_name(view.status),
    }))
}

pub(crate) fn extended(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let view = view(chain, parameters)?;
    let last = chain.last_block();
    let frozen_hash = hash_text(view.frozen_hash.as_ref());
    let account_state = match (view.status, wallet_of(&view)) {
        (AccountStatus::Active, Some(wallet)) if wallet.name.starts_with("wallet v3") => json!({
            "@type": "wallet.v3.accountState",
            "wallet_id": wallet.id.unwrap_or_default().to_string(),
            "seqno": wallet.seqno,
        }),
        (AccountStatus::Active, Some(wallet)) if wallet.name.starts_with("wallet v4") => json!({
            "@type": "wallet.v4.accountState",
            "wallet_id": wallet.id.unwrap_or_default().to_string(),
            "seqno": wallet.seqno,
        }),
        (AccountStatus::Active, _) => json!({
            "@type": "raw.accountState",
            "code": cell_text(view.code.as_ref()),
            "data": cell_text(view.data.as_ref()),
            "frozen_hash": frozen_hash,
        }),
        _ => json!({ "@type": "uninited.accountState", "frozen_hash": frozen_hash }),
    };
    Ok(json!({
        "@type": "fullAccountState",
        "address": { "@type": "accountAddress", "account_address": friendly(&view.address) },
        "balance": view.balance.to_string(),
        "extra_currencies": [],
        "last_transaction_id": transaction_id(view.last_lt, &view.last_hash),
        "block_id": block_id(last, -1),
        "sync_utime": last.gen_utime,
        "account_state": account_state,
        "revision": 0,
        "@extra": extra(last),
    }))
}

pub(crate) fn wallet(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let view = view(chain, parameters)?;
    let mut answer = json!({
        "wallet": false,
        "balance": view.balance.to_string(),
        "extra_currencies": [],
        "account_state": state_name(view.status),
        "last_transaction_id": transaction_id(view.last_lt, &view.last_hash),
    });
    if let (Some(wallet), Some(fields)) = (wallet_of(&view), answer.as_object_mut()) {
        fields.insert("wallet".to_owned(), true.into());
        fields.insert("wallet_type".to_owned(), wallet.name.into());
        fields.insert("seqno".to_owned(), wallet.seqno.into());
        if let Some(id) = wallet.id {
            fields.insert("wallet_id".to_owned(), id.into());
        }
        if let Some(allowed) = wallet.signature_allowed {
            fields.insert("is_signature_allowed".to_owned(), allowed.into());
        }
    }
    Ok(answer)
}

pub(crate) fn balance(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    Ok(view(chain, parameters)?.balance.to_string().into())
}

pub(crate) fn state(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    Ok(state_name(view(chain, parameters)?.status).into())
}

/// `getShardAccountCell`: the account as the chain's state holds it.
pub(crate) fn cell(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    present_only(chain, parameters)?;
    let account = chain.account_state(&parameters.address("address")?)?;
    let account = account.unwrap_or(missing_account()?);
    let cell = CellBuilder::build_from(&account)?;
    Ok(json!({ "@type": "tvm.cell", "bytes": boc(&cell) }))
}

pub(crate) fn pack(parameters: &Parameters) -> Result<Value, ApiError> {
    Ok(friendly(&parameters.address("address")?).into())
}

pub(crate) fn unpack(parameters: &Parameters) -> Result<Value, ApiError> {
    Ok(address::raw(&parameters.address("address")?).into())
}

pub(crate) fn detect(parameters: &Parameters) -> Result<Value, ApiError> {
    let text = parameters.required_text("address")?;
    Ok(address::detect(&address::parse(&text).ok_or_else(ApiError::address)?))
}

pub(crate) fn detect_hash(parameters: &Parameters) -> Result<Value, ApiError> {
    let missing = || ApiError::parameter("hash: field required");
    Ok(address::detect_hash(&parameters.hash("hash")?.ok_or_else(missing)?))
}

/// How the values of a stack are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StackForm {
    /// `[type, value]` pairs: `runGetMethod`.
    Pairs,
    /// tonlib's `@type` objects: `runGetMethodStd`.
    Objects,
}

pub(crate) fn run_get_method(
    chain: &Chain,
    parameters: &Parameters,
    form: StackForm,
) -> Result<Value, ApiError> {
    present_only(chain, parameters)?;
    let address = parameters.address("address")?;
    let name = parameters.required_text("method")?;
    let method = match name.parse::<u32>() {
        Ok(id) => MethodId(id),
        Err(_) => MethodId::from(name.as_str()),
    };
    let arguments = stack::arguments(parameters.get("stack"))?;
    let view = chain.account(&address)?;
    let output = chain.run_get_method(&address, method, &arguments)?;
    let last = chain.last_block();
    let written = match form {
        StackForm::Pairs => stack::pair,
        StackForm::Objects => stack::entry,
    };
    Ok(json!({
        "@type": "smc.runResult",
        "gas_used": output.gas_used,
        "stack": output.stack.iter().map(written).collect::<Vec<_>>(),
        "exit_code": output.exit_code,
        "@extra": extra(last),
        "block_id": block_id(last, -1),
        "last_transaction_id": transaction_id(view.last_lt, &view.last_hash),
    }))
}
