//! Making blocks: taking messages in, executing them, delivering what they send.

use tycho_executor::ExecutorParams;
use tycho_types::cell::Lazy;
use tycho_types::models::{
    Account, AccountState, CurrencyCollection, OptionalAccount, ShardAccount, StdAddr, StorageInfo,
    StorageUsed,
};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use super::block::{Block, TxRecord};
use super::executor::Route;
use super::{Chain, ChainError, SendError, bad_store, executor_params};
use super::{ExecuteError, Executed, Inbound, execute, missing_account};

/// Write to the store at the latest after so many transactions, so that a long drain stays small.
const FLUSH_AFTER: usize = 2_000;

/// What a message caused.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Hash of the message cell.
    pub message_hash: HashBytes,
    /// Every transaction executed until the queue was empty, in order.
    pub transactions: Vec<TxRecord>,
    /// Number of the last block made.
    pub block: u32,
    /// Messages still in flight: not zero only if the drain limit was reached.
    pub undelivered: usize,
}

/// Whether signatures count in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// They are checked.
    Done,
    /// Every signature is taken for good.
    Skipped,
}

/// A block being made.
struct OpenBlock {
    block: Block,
    params: ExecutorParams,
}

impl Chain {
    /// Takes an external message, executes it in a new block and delivers all that follows from
    /// it in the blocks after.
    ///
    /// # Errors
    /// [`SendError::Refused`] if the contract does not accept it (nothing changes then),
    /// [`SendError::Malformed`] if it is not an external message.
    pub fn send_boc(&mut self, boc: &[u8]) -> Result<Receipt, SendError> {
        let message = Boc::decode(boc).map_err(|error| SendError::Malformed(error.to_string()))?;
        self.send(message)
    }

    /// As [`Self::send_boc`], with the message as a cell.
    ///
    /// # Errors
    /// See [`Self::send_boc`].
    pub fn send(&mut self, message: Cell) -> Result<Receipt, SendError> {
        self.change(|chain| chain.send_now(message))
    }

    fn send_now(&mut self, message: Cell) -> Result<Receipt, SendError> {
        let route = external_route(&message)?;
        let message_hash = *message.repr_hash();
        let mut open = self.open_block()?;
        let mut trace = Vec::new();
        match self.execute_in(&mut open, message, &route)? {
            Ok(record) => trace.push(record),
            Err(error) => return Err(SendError::Refused(error)),
        }
        self.deliver_queue(&mut open, &mut trace)?;
        self.close_block(open)?;
        self.drain(&mut trace)?;
        self.flush()?;
        Ok(self.receipt(message_hash, trace))
    }

    /// Checks an external message and keeps it for the next [`Self::mine`]; a chain on disk keeps
    /// it over a restart.
    ///
    /// # Errors
    /// As [`Self::send_boc`], and [`SendError::PoolFull`].
    pub fn submit(&mut self, message: Cell) -> Result<HashBytes, SendError> {
        self.change(|chain| {
            if chain.externals.len() >= chain.settings.max_pending_externals {
                return Err(SendError::PoolFull);
            }
            chain.simulate(message.clone())?;
            let hash = *message.repr_hash();
            let place = chain.head.next_external;
            chain.head.next_external += 1;
            chain.pending.externals.insert(place, Some(message.clone()));
            chain.externals.insert(place, message);
            chain.flush()?;
            Ok(hash)
        })
    }

    /// Executes an external message against the present state and forgets the outcome.
    ///
    /// # Errors
    /// As [`Self::send_boc`].
    pub fn simulate(&mut self, message: Cell) -> Result<Executed, SendError> {
        self.simulate_with(message, SignatureCheck::Done)
    }

    /// As [`Self::simulate`], with or without checking signatures (for estimates of fees).
    ///
    /// # Errors
    /// As [`Self::send_boc`].
    pub fn simulate_with(
        &mut self,
        message: Cell,
        check: SignatureCheck,
    ) -> Result<Executed, SendError> {
        let route = external_route(&message)?;
        let mut open = self.open_block()?;
        open.params.vm_modifiers.chksig_always_succeed = check == SignatureCheck::Skipped;
        let state = self.state_or_missing(&route.destination)?;
        let config = self.network.at(open.block.gen_utime)?;
        let min_lt = open.block.start_lt + 1;
        let address = &route.destination;
        Ok(execute(&open.params, config, min_lt, address, Inbound::External, message, &state)?)
    }

    /// Makes one block with what waits, even if nothing does.
    ///
    /// # Errors
    /// [`ChainError::Store`] if it cannot be written.
    pub fn mine(&mut self) -> Result<Block, ChainError> {
        self.mine_many(1)
    }

    /// Makes `blocks` blocks at once, and gives the last one of the chain.
    ///
    /// # Errors
    /// [`ChainError::Store`] if they cannot be written.
    pub fn mine_many(&mut self, blocks: u32) -> Result<Block, ChainError> {
        let standing = self.settings.clock.stands_still();
        self.mine_after(blocks, if standing { u64::from(self.settings.block_seconds) } else { 0 })
    }

    /// Makes blocks, each after the clock was moved by `seconds`.
    pub(super) fn mine_after(&mut self, blocks: u32, seconds: u64) -> Result<Block, ChainError> {
        let mined = self.change(|chain| {
            for _ in 0..blocks {
                let offset = &mut chain.head.clock_offset;
                *offset = offset.saturating_add(seconds);
                chain.mine_now()?;
            }
            chain.flush()?;
            Ok(chain.head.last.clone())
        });
        mined.map_err(|error| match error {
            SendError::Chain(error) => error,
            other => bad_store(&other.to_string()),
        })
    }

    fn mine_now(&mut self) -> Result<(), ChainError> {
        let mut open = self.open_block()?;
        let mut trace = Vec::new();
        for _ in 0..self.settings.max_block_transactions {
            let Some((place, message)) = self.externals.pop_first() else { break };
            self.pending.externals.insert(place, None);
            let Some(route) = Route::of(&message) else { continue };
            // Refused now though it was fine when submitted: dropped, as on TON.
            if let Err(error) = self.execute_in(&mut open, message, &route)? {
                tracing::debug!(%error, "an external message was dropped");
            }
        }
        self.deliver_queue(&mut open, &mut trace)?;
        self.close_block(open)
    }

    pub(super) fn receipt(&self, message_hash: HashBytes, transactions: Vec<TxRecord>) -> Receipt {
        let undelivered = self.queue.len();
        Receipt { message_hash, transactions, block: self.head.last.seqno, undelivered }
    }

    pub(super) fn drain(&mut self, trace: &mut Vec<TxRecord>) -> Result<(), ChainError> {
        for _ in 0..self.settings.max_drain_blocks {
            if self.queue.is_empty() || trace.len() >= self.settings.max_drain_transactions {
                break;
            }
            let mut open = self.open_block()?;
            self.deliver_queue(&mut open, trace)?;
            self.close_block(open)?;
        }
        Ok(())
    }

    fn open_block(&self) -> Result<OpenBlock, ChainError> {
        let seqno =
            self.head.last.seqno.checked_add(1).ok_or_else(|| bad_store("too many blocks"))?;
        let gen_utime = self.now();
        let start_lt = Block::next_start_lt(self.head.last.end_lt);
        let mut seed = self.head.last.root_hash.as_slice().to_vec();
        seed.extend_from_slice(&seqno.to_be_bytes());
        let rand_seed = super::digest::sha256(&seed);
        Ok(OpenBlock {
            block: Block {
                seqno,
                gen_utime,
                start_lt,
                end_lt: start_lt + 1,
                root_hash: HashBytes::ZERO,
                file_hash: HashBytes::ZERO,
                transactions: Vec::new(),
            },
            params: executor_params(gen_utime, start_lt, rand_seed),
        })
    }

    fn close_block(&mut self, open: OpenBlock) -> Result<(), ChainError> {
        let mut block = open.block;
        block.seal(&self.head.last.root_hash);
        self.head.totals.blocks += 1;
        self.injected_in_block = 0;
        self.pending.blocks.push(block.clone());
        self.head.last = block;
        if self.pending.transactions.len() >= FLUSH_AFTER { self.flush() } else { Ok(()) }
    }

    /// Writes what whole blocks changed. If it fails, [`Chain::change`] undoes the call.
    pub(super) fn flush(&mut self) -> Result<(), ChainError> {
        let batch = std::mem::take(&mut self.pending);
        self.store.apply(batch, &self.head)
    }

    /// Delivers what was in the queue before the block began, in logical-time order.
    fn deliver_queue(
        &mut self,
        open: &mut OpenBlock,
        trace: &mut Vec<TxRecord>,
    ) -> Result<(), ChainError> {
        while open.block.transactions.len() < self.settings.max_block_transactions {
            let Some(entry) = self.queue.first_entry() else { break };
            let key = *entry.key();
            if key.0 >= open.block.start_lt {
                break;
            }
            let message = entry.remove();
            // Created and delivered between two writes: the store never needs to hear of it.
            if self.pending.queue.remove(&key).is_none() {
                self.pending.queue.insert(key, None);
            }
            let Some(route) = Route::of(&message) else { continue };
            let in_flight = &mut self.head.totals.in_flight;
            *in_flight = in_flight.saturating_sub(route.carried);
            match self.execute_in(open, message, &route)? {
                Ok(record) => trace.push(record),
                Err(error) => {
                    tracing::warn!(%error, to = %route.destination, "a message was destroyed");
                    let burned = &mut self.head.totals.burned;
                    *burned = burned.saturating_add(route.carried);
                }
            }
        }
        Ok(())
    }

    fn state_or_missing(&self, address: &StdAddr) -> Result<ShardAccount, ChainError> {
        match self.account_state(address)? {
            Some(state) => Ok(state),
            None => Ok(missing_account()?),
        }
    }

    /// Executes one message; the inner error means it made no transaction and changed nothing.
    fn execute_in(
        &mut self,
        open: &mut OpenBlock,
        message: Cell,
        route: &Route,
    ) -> Result<Result<TxRecord, ExecuteError>, ChainError> {
        let address = &route.destination;
        let state = self.state_or_missing(address)?;
        let old_balance = state.load_account()?.map_or(0, |acc| acc.balance.tokens.into_inner());
        let fwd_fee = delivered_fee(&message, route)?;
        let config = self.network.at(open.block.gen_utime)?;
        let min_lt = open.block.start_lt + 1;
        let executed =
            match execute(&open.params, config, min_lt, address, route.kind, message, &state) {
                Ok(executed) => executed,
                Err(error) => return Ok(Err(error)),
            };
        let sent = self.enqueue(&executed)?;

        let totals = &mut self.head.totals;
        totals.transactions += 1;
        totals.in_flight = totals.in_flight.saturating_add(sent);
        totals.network_fees_collected = totals
            .network_fees_collected
            .saturating_add(executed.total_fees)
            .saturating_add(fwd_fee);
        // An account deleted with money left takes it along; that must show in the sums.
        let came_in = old_balance.saturating_add(route.carried);
        let accounted = [executed.balance, sent, executed.total_fees, fwd_fee, executed.burned]
            .iter()
            .fold(0u128, |sum, part| sum.saturating_add(*part));
        let vanished = if executed.exists { 0 } else { came_in.saturating_sub(accounted) };
        totals.burned = totals.burned.saturating_add(executed.burned).saturating_add(vanished);

        let record = TxRecord {
            address: address.clone(),
            lt: executed.state.last_trans_lt,
            hash: *executed.transaction.repr_hash(),
            block: open.block.seqno,
            transaction: executed.transaction,
        };
        open.block.end_lt = open.block.end_lt.max(executed.end_lt);
        open.block.transactions.push(record.reference());
        self.pending.transactions.push(record.clone());
        let state = executed.exists.then_some(executed.state);
        self.pending.accounts.insert(address.clone(), state);
        Ok(Ok(record))
    }

    /// Puts a transaction's internal messages into the queue; gives back what they carry.
    fn enqueue(&mut self, executed: &Executed) -> Result<u128, ChainError> {
        let mut sent = 0u128;
        for message in &executed.out_msgs {
            let cell = message.inner().clone();
            // External outbound messages stay in the transaction: they are the contract's log.
            let Some(route) = Route::of(&cell) else { continue };
            sent = sent.saturating_add(route.carried);
            let key = (route.created_lt, *cell.repr_hash());
            self.pending.queue.insert(key, Some(cell.clone()));
            self.queue.insert(key, cell);
        }
        Ok(sent)
    }

    /// Block 0: the faucet with the whole supply.
    pub(super) fn make_genesis(&mut self) -> Result<(), ChainError> {
        let now = self.now();
        let supply = self.settings.supply;
        let mut account = Account {
            address: self.faucet.address.clone().into(),
            storage_stat: StorageInfo {
                used: StorageUsed::ZERO,
                storage_extra: Default::default(),
                last_paid: now,
                due_payment: None,
            },
            last_trans_lt: 0,
            balance: CurrencyCollection::new(supply),
            state: AccountState::Active(self.faucet.init()?),
        };
        // `StorageUsed::compute` is wrong in this version of tycho-types (it rejects valid sums);
        // the executor computes it with the first transaction, until then the faucet pays nothing.
        account.storage_stat.used = StorageUsed::ZERO;
        let state = ShardAccount {
            account: Lazy::new(&OptionalAccount(Some(account)))?,
            last_trans_hash: HashBytes::ZERO,
            last_trans_lt: 0,
        };
        self.pending.accounts.insert(self.faucet.address.clone(), Some(state));
        self.head.totals.supply = supply;
        self.head.totals.blocks = 1;
        self.head.last.gen_utime = now;
        self.head.last.seal(&HashBytes::ZERO);
        self.pending.blocks.push(self.head.last.clone());
        self.flush()
    }
}

/// The forwarding fee an internal message still carries: collected where it is delivered.
fn delivered_fee(message: &Cell, route: &Route) -> Result<u128, ChainError> {
    use tycho_types::models::MsgInfo;
    Ok(match (route.kind, message.parse::<MsgInfo>()?) {
        (Inbound::Internal, MsgInfo::Int(info)) => Tokens::into_inner(info.fwd_fee),
        _ => 0,
    })
}

fn external_route(message: &Cell) -> Result<Route, SendError> {
    Route::of(message)
        .filter(|route| route.kind == Inbound::External)
        .ok_or_else(|| SendError::Malformed("not an external message to an account".to_owned()))
}
