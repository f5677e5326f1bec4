//! Where money and test parties come from.

use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use super::treasury::{Transfer, Treasury, internal_message, seqno_of};
use super::{Chain, Receipt, SendError};

impl Chain {
    /// Sends `nano` from the faucet; the receiver's balance grows by exactly that (less what it
    /// owes for storage).
    ///
    /// # Errors
    /// [`SendError::FaucetEmpty`] if the faucet has no more than that.
    pub fn fund(&mut self, address: &StdAddr, nano: u128) -> Result<Receipt, SendError> {
        self.send_from_faucet(&Transfer::plain(address.clone(), nano))
    }

    fn send_from_faucet(&mut self, transfer: &Transfer) -> Result<Receipt, SendError> {
        let balance = self.account(&self.faucet.address)?.balance;
        // It also pays for gas and forwarding, so "exactly all of it" is too much as well.
        if balance <= transfer.value {
            return Err(SendError::FaucetEmpty(balance));
        }
        let faucet = self.faucet.clone();
        self.send_from(&faucet, transfer)
    }

    /// Opens (or tops up) the treasury with this salt: an account that plays any party in tests.
    ///
    /// # Errors
    /// [`SendError::FaucetEmpty`] if the faucet has no more than that.
    pub fn open_treasury(&mut self, salt: u64, nano: u128) -> Result<Treasury, SendError> {
        // Salt 0 is the faucet itself.
        let treasury = Treasury::new(salt.saturating_add(1))?;
        let init = treasury.init()?;
        let deploy = Transfer::deploy(treasury.address.clone(), nano, init, Cell::default());
        self.send_from_faucet(&deploy)?;
        Ok(treasury)
    }

    /// Sends a real message from a treasury and delivers all that follows. If the treasury has
    /// money for gas but not for the message, the first transaction of the receipt says so by its
    /// [`TxRecord::action_code`] (37) and nothing is sent.
    ///
    /// # Errors
    /// [`SendError::Refused`] if the treasury has no money left for gas.
    pub fn send_from(
        &mut self,
        treasury: &Treasury,
        transfer: &Transfer,
    ) -> Result<Receipt, SendError> {
        let data = self.account(&treasury.address)?.data;
        let seqno = data.as_ref().map_or(Ok(0), seqno_of)?;
        self.send(treasury.order(seqno, transfer)?)
    }

    /// Puts an internal message from **any** source into the queue and delivers all that follows.
    /// Its value is created out of nothing and added to [`super::Totals::supply`]. In process
    /// only: there is no way to it from HTTP.
    ///
    /// # Errors
    /// [`SendError::Chain`] if the store fails.
    pub fn inject(&mut self, from: &StdAddr, transfer: &Transfer) -> Result<Receipt, SendError> {
        self.change(|chain| chain.inject_now(from, transfer))
    }

    fn inject_now(&mut self, from: &StdAddr, transfer: &Transfer) -> Result<Receipt, SendError> {
        self.injected_in_block += 1;
        let created_lt = self.head.last.end_lt + self.injected_in_block;
        let message = internal_message(from, transfer, created_lt, self.now())?;
        let message_hash = *message.repr_hash();
        let totals = &mut self.head.totals;
        totals.supply = totals.supply.saturating_add(transfer.value);
        totals.in_flight = totals.in_flight.saturating_add(transfer.value);
        self.pending.queue.insert((created_lt, message_hash), Some(message.clone()));
        self.queue.insert((created_lt, message_hash), message);
        let mut trace = Vec::new();
        self.drain(&mut trace)?;
        self.flush()?;
        Ok(self.receipt(message_hash, trace))
    }
}
