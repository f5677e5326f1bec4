//! Which orders were taken on accounts. Of those of one salt a requestor pays for one: another is taken
//! only after the first has ended unpaid.
//!
//! The database has all of them. Here are those that it may not show yet to who asks it: orders whose
//! tasks have not ended, or ended a moment ago.

use std::collections::{HashMap, VecDeque};

use fog_protocol::{Address, Hash32, TaskId};

use crate::denied::{Denied, Why};

/// Seconds that an order stays here after its task was paid.
const KEPT_SECONDS: u64 = 60;

/// An account, and the salt of an order on it.
pub(super) type Order = (Address, Hash32);

/// Orders that were taken.
#[derive(Debug, Default)]
pub(super) struct Orders {
    taken: HashMap<Order, TaskId>,
    /// Of tasks that were paid, and when; oldest first.
    paid: VecDeque<(u64, Order)>,
}

impl Orders {
    /// The task of this order, if it is here.
    pub(super) fn task(&self, order: &Order) -> Option<TaskId> {
        self.taken.get(order).copied()
    }

    pub(super) fn take(&mut self, order: Order, task: TaskId) {
        self.taken.insert(order, task);
    }

    /// Its task was paid: from now on the database tells of it.
    pub(super) fn paid(&mut self, order: Order, now: u64) {
        self.paid.push_back((now, order));
        while let Some((at, order)) = self.paid.front()
            && at.saturating_add(KEPT_SECONDS) < now
        {
            self.taken.remove(order);
            self.paid.pop_front();
        }
    }

    /// Its task ended unpaid: the next of its salt may be.
    pub(super) fn free(&mut self, order: &Order) {
        self.taken.remove(order);
    }
}

/// A second order of a salt.
pub(crate) fn ordered_once(task: &TaskId) -> Denied {
    let message = format!(
        "task {task} has this salt, too, on this account, and of the two one is paid: post it with \
         another salt"
    );
    Denied::new(Why::Conflict, "ordered_once", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(salt: u8) -> Order {
        (Address::basechain([1; 32]), Hash32([salt; 32]))
    }

    fn task(byte: u8) -> TaskId {
        TaskId(Hash32([byte; 32]))
    }

    #[test]
    fn what_has_ended_does_not_stay_for_ever() {
        let mut orders = Orders::default();
        for salt in 0..100 {
            orders.take(order(salt), task(salt));
        }
        assert_eq!(orders.task(&order(7)), Some(task(7)));
        // Unpaid: free at once. Paid: here until the database surely shows it.
        orders.free(&order(7));
        assert_eq!(orders.task(&order(7)), None);
        for salt in 10..60 {
            orders.paid(order(salt), 1_000);
        }
        assert_eq!(orders.task(&order(10)), Some(task(10)));
        orders.paid(order(60), 1_000 + KEPT_SECONDS);
        assert_eq!(orders.task(&order(10)), Some(task(10)));
        orders.paid(order(61), 1_001 + KEPT_SECONDS);
        assert_eq!((orders.task(&order(10)), orders.paid.len()), (None, 2));
        // What runs stays.
        assert_eq!(orders.taken.len(), 100 - 1 - 50);
        assert_eq!(orders.task(&order(99)), Some(task(99)));
    }
}
