//! Blocks, transactions, messages and accounts in the shapes of the v3 dialect.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tycho_types::models::{
    Base64StdAddrFlags, DisplayBase64StdAddr, IntAddr, MsgInfo, OwnedMessage, StdAddr, Transaction,
};
use tycho_types::prelude::*;

use super::phases::{description, status};
use crate::chain::{AccountStatus, AccountView, Block, Chain, TxRecord};
use crate::toncenter::accounts::wallet_of;
use crate::toncenter::address::base64;
use crate::toncenter::dialect::{ApiError, boc};
use crate::toncenter::index::{Index, normalized_hash};
use crate::toncenter::tokens::snake;

/// The only shard, as the indexer writes it.
pub(crate) const SHARD: &str = "8000000000000000";

pub(crate) fn hash(hash: &HashBytes) -> String {
    base64(hash.as_slice())
}

/// An address as the indexer writes it: raw, in upper case.
pub(crate) fn raw(address: &StdAddr) -> String {
    format!("{}:{}", address.workchain, hex::encode_upper(address.address.0))
}

/// The indexer's word for an account's state.
pub(crate) fn account_status(view: &AccountView) -> &'static str {
    match view.status {
        AccountStatus::Missing => "nonexist",
        AccountStatus::Uninit => "uninit",
        AccountStatus::Active => "active",
        AccountStatus::Frozen => "frozen",
    }
}

fn block_ref(seqno: u32, workchain: i32) -> Value {
    json!({ "workchain": workchain, "shard": SHARD, "seqno": seqno })
}

/// `Block`, of the workchain named. One block of this chain stands for one of each.
pub(crate) fn block(chain: &Chain, block: &Block, workchain: i32) -> Value {
    let (root_hash, file_hash) = block.hashes(workchain);
    let count =
        block.transactions.iter().filter(|tx| i32::from(tx.address.workchain) == workchain).count();
    let previous = block.seqno.checked_sub(1).map(|seqno| block_ref(seqno, workchain));
    json!({
        "workchain": workchain,
        "shard": SHARD,
        "seqno": block.seqno,
        "root_hash": hash(&root_hash),
        "file_hash": hash(&file_hash),
        "global_id": chain.network().current().global_id,
        "version": 0,
        "after_merge": false,
        "before_split": false,
        "after_split": false,
        "want_merge": true,
        "want_split": false,
        "key_block": block.seqno == 0,
        "vert_seqno_incr": false,
        "flags": 0,
        "gen_utime": block.gen_utime.to_string(),
        "start_lt": block.start_lt.to_string(),
        "end_lt": block.end_lt.to_string(),
        "validator_list_hash_short": 0,
        "gen_catchain_seqno": 0,
        "min_ref_mc_seqno": block.seqno.saturating_sub(1),
        "prev_key_block_seqno": 0,
        "vert_seqno": 0,
        "master_ref_seqno": block.seqno.saturating_sub(1),
        "rand_seed": hash(&HashBytes::ZERO),
        "created_by": hash(&HashBytes::ZERO),
        "tx_count": count,
        "masterchain_block_ref": block_ref(block.seqno, -1),
        "prev_blocks": previous.into_iter().collect::<Vec<_>>(),
    })
}

/// Writes rows and remembers the accounts they name.
pub(crate) struct Writer<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) index: &'a Index,
    named: BTreeSet<StdAddr>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(chain: &'a Chain, index: &'a Index) -> Self {
        Self { chain, index, named: BTreeSet::new() }
    }

    pub(crate) fn address(&mut self, address: &StdAddr) -> Value {
        self.named.insert(address.clone());
        raw(address).into()
    }

    fn int_address(&mut self, address: &IntAddr) -> Value {
        address.as_std().map_or(Value::Null, |address| self.address(address))
    }

    /// `address_book`: every account named so far.
    pub(crate) fn address_book(&self) -> Result<Value, ApiError> {
        let mut book = Map::new();
        for address in &self.named {
            let view = self.chain.account(address)?;
            // Wallets and what is not there yet are shown in the form that does not bounce.
            let plain = view.code.is_none() || wallet_of(&view).is_some();
            let flags = Base64StdAddrFlags { testnet: true, base64_url: true, bounceable: !plain };
            let friendly = DisplayBase64StdAddr { addr: address, flags }.to_string();
            let row = json!({
                "user_friendly": friendly,
                "domain": null,
                "interfaces": interfaces(&view),
            });
            book.insert(raw(address), row);
        }
        Ok(Value::Object(book))
    }

    /// `Transaction`.
    pub(crate) fn transaction(&mut self, record: &TxRecord) -> Result<Value, ApiError> {
        let parsed = record.load()?;
        let mut out_msgs = Vec::new();
        for cell in parsed.out_msgs.values() {
            out_msgs.push(self.message(&cell?)?);
        }
        let in_msg = match &parsed.in_msg {
            Some(cell) => self.message(cell)?,
            None => Value::Null,
        };
        let (before, after) = self.states(record, &parsed)?;
        let workchain = i32::from(record.address.workchain);
        let mut value = json!({
            "account": self.address(&record.address),
            "hash": hash(&record.hash),
            "lt": record.lt.to_string(),
            "now": parsed.now,
            "mc_block_seqno": record.block,
            "prev_trans_hash": hash(&parsed.prev_trans_hash),
            "prev_trans_lt": parsed.prev_trans_lt.to_string(),
            "orig_status": status(parsed.orig_status),
            "end_status": status(parsed.end_status),
            "total_fees": parsed.total_fees.tokens.into_inner().to_string(),
            "total_fees_extra_currencies": {},
            "description": description(&parsed.load_info()?),
            "block_ref": block_ref(record.block, workchain),
            "in_msg": in_msg,
            "out_msgs": out_msgs,
            "account_state_before": before,
            "account_state_after": after,
            "emulated": false,
            "finality": "finalized",
        });
        if let Some(root) = self.index.root_of(&record.hash) {
            value["trace_id"] = hash(&root.place.hash).into();
            if let Some(message) = &root.in_msg {
                value["trace_external_hash"] = hash(&message.hash).into();
            }
        }
        Ok(value)
    }

    /// The account before and after: by their hashes, and in full where the account still is as
    /// the transaction left it.
    fn states(&self, record: &TxRecord, parsed: &Transaction) -> Result<(Value, Value), ApiError> {
        let update = parsed.state_update.load()?;
        let before = json!({
            "hash": hash(&update.old),
            "balance": null,
            "extra_currencies": null,
            "account_status": status(parsed.orig_status),
            "frozen_hash": null,
            "data_hash": null,
            "code_hash": null,
        });
        let view = self.chain.account(&record.address)?;
        let after = if view.last_lt == record.lt {
            account_state(&view, &update.new)
        } else {
            let mut after = before.clone();
            after["hash"] = hash(&update.new).into();
            after["account_status"] = status(parsed.end_status).into();
            after
        };
        Ok((before, after))
    }

    /// `Message`.
    pub(crate) fn message(&mut self, cell: &Cell) -> Result<Value, ApiError> {
        let parsed = cell.parse::<OwnedMessage>()?;
        let (range, body) = &parsed.body;
        let body = CellBuilder::build_from(range.apply_allow_exotic(body))?;
        let opcode = body.as_slice_allow_exotic().get_u32(0).ok();
        let init = match &parsed.init {
            Some(init) => content(&CellBuilder::build_from(init)?),
            None => Value::Null,
        };
        let mut value = json!({
            "hash": hash(cell.repr_hash()),
            "source": null,
            "destination": null,
            "value": null,
            "value_extra_currencies": {},
            "fwd_fee": null,
            "ihr_fee": null,
            "extra_flags": null,
            "created_lt": null,
            "created_at": null,
            "opcode": opcode.map(|opcode| format!("0x{opcode:08x}")),
            "decoded_opcode": null,
            "ihr_disabled": null,
            "bounce": null,
            "bounced": null,
            "import_fee": null,
            "message_content": content(&body),
            "init_state": init,
        });
        self.head(&mut value, &parsed.info, body)?;
        if let Some(entry) = self.index.receiver(cell.repr_hash()).and_then(|at| self.index.get(at))
        {
            value["in_msg_tx_hash"] = hash(&entry.place.hash).into();
        }
        if let Some(entry) = self.index.sender(cell.repr_hash()).and_then(|at| self.index.get(at)) {
            value["out_msg_tx_hash"] = hash(&entry.place.hash).into();
        }
        Ok(value)
    }

    fn head(&mut self, value: &mut Value, info: &MsgInfo, body: Cell) -> Result<(), ApiError> {
        match info {
            MsgInfo::Int(info) => {
                value["source"] = self.int_address(&info.src);
                value["destination"] = self.int_address(&info.dst);
                value["value"] = info.value.tokens.into_inner().to_string().into();
                value["fwd_fee"] = info.fwd_fee.into_inner().to_string().into();
                value["ihr_fee"] = "0".into();
                value["extra_flags"] = info.extra_flags.bits().to_string().into();
                value["created_lt"] = info.created_lt.to_string().into();
                value["created_at"] = info.created_at.to_string().into();
                value["ihr_disabled"] = info.ihr_disabled.into();
                value["bounce"] = info.bounce.into();
                value["bounced"] = info.bounced.into();
            }
            MsgInfo::ExtIn(info) => {
                value["destination"] = self.int_address(&info.dst);
                value["import_fee"] = info.import_fee.into_inner().to_string().into();
                value["hash_norm"] = hash(&normalized_hash(info, body)?).into();
            }
            MsgInfo::ExtOut(info) => {
                value["source"] = self.int_address(&info.src);
                value["created_lt"] = info.created_lt.to_string().into();
                value["created_at"] = info.created_at.to_string().into();
            }
        }
        Ok(())
    }
}

/// `MessageContent`, with the text of a comment.
fn content(cell: &Cell) -> Value {
    let decoded = comment(cell).map_or(
        Value::Null,
        |text| json!({ "type": "text_comment", "@type": "text_comment", "comment": text }),
    );
    json!({ "hash": hash(cell.repr_hash()), "body": boc(cell), "decoded": decoded })
}

/// The text of a body that begins with 32 zero bits.
pub(crate) fn comment(body: &Cell) -> Option<String> {
    let mut slice = body.as_slice().ok()?;
    if slice.load_u32().ok()? != 0 {
        return None;
    }
    String::from_utf8(snake(slice)).ok()
}

/// What the indexer would call the contract: wallets are known by their code.
pub(crate) fn interfaces(view: &AccountView) -> Vec<String> {
    wallet_of(view)
        .map(|wallet| wallet.name.replace("wallet ", "wallet_").replace(' ', ""))
        .into_iter()
        .collect()
}

/// `AccountState`: the account as it stands.
pub(crate) fn account_state(view: &AccountView, state_hash: &HashBytes) -> Value {
    json!({
        "hash": hash(state_hash),
        "balance": view.balance.to_string(),
        "extra_currencies": {},
        "account_status": account_status(view),
        "frozen_hash": view.frozen_hash.as_ref().map(hash),
        "data_hash": view.data.as_ref().map(|cell| hash(cell.repr_hash())),
        "code_hash": view.code.as_ref().map(|cell| hash(cell.repr_hash())),
    })
}

/// The hash of the account's state as transactions name it; zero where there is none.
pub(crate) fn state_hash(chain: &Chain, address: &StdAddr) -> Result<HashBytes, ApiError> {
    Ok(chain
        .account_state(address)?
        .map_or(HashBytes::ZERO, |state| *state.account.inner().repr_hash()))
}
