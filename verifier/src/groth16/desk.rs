//! Where proofs wait: keys that stay ready, and before each a queue that is checked in batches.
//!
//! Nobody waits for a batch to fill. Whoever comes while a core is free checks what is there, at
//! first its own proof alone; only while all cores check does a queue grow, and the next to lead
//! takes all of it. So a lone proof is as quick as [`verify`], and many are as cheap as
//! [`verify_batch`].

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use fog_protocol::Hash32;

use super::batch::{MAX_BATCH, verify_batch};
use super::key::VerifyingKey;
use super::malformed::Malformed;
use super::proof::{Proof, PublicInputs, Validity, verify};
use crate::lru::Lru;

/// Keys that stay ready. One of the most inputs takes half a megabyte, one with tables two.
const KEYS: usize = 16;

/// The keys over BN254 that this process has used last. What a key says is a function of its bytes,
/// so that it is shared by all who ask changes no answer.
pub(crate) struct Desk {
    queues: Mutex<Lru<Hash32, Arc<Queue>>>,
}

impl Desk {
    /// The process's own.
    pub(crate) fn shared() -> &'static Self {
        static DESK: LazyLock<Desk> = LazyLock::new(|| Desk { queues: Mutex::new(Lru::new(KEYS)) });
        &DESK
    }

    /// The queue before the key of a `verification_key.json`.
    ///
    /// # Errors
    /// [`Malformed`]: the key is none.
    pub(crate) fn queue(&self, json: &[u8]) -> Result<Arc<Queue>, Malformed> {
        let name = Hash32::of(json);
        if let Some(queue) = locked(&self.queues).get(&name) {
            return Ok(queue);
        }
        // Read unlocked: two who bring a new key at once both read it, and one queue is forgotten.
        let queue = Arc::new(Queue::new(VerifyingKey::from_snarkjs(json)?));
        locked(&self.queues).put(name, queue.clone());
        Ok(queue)
    }
}

/// A key, and the proofs that wait for it.
pub(crate) struct Queue {
    key: VerifyingKey,
    /// How many may check at once.
    leaders: usize,
    line: Mutex<Line>,
    turn: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<(Ticket, (Proof, PublicInputs))>,
    checking: usize,
}

/// Where an answer is put.
type Ticket = Arc<Mutex<Place>>;

enum Place {
    Waiting,
    Answered(Validity),
    /// Whoever led has no answer: to be checked alone.
    Lost,
}

impl Queue {
    pub(super) fn new(key: VerifyingKey) -> Self {
        let leaders = available_parallelism().map_or(1, NonZero::get);
        Self { key, leaders, line: Mutex::default(), turn: Condvar::new() }
    }

    pub(crate) const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks a proof, perhaps with others. Blocks.
    ///
    /// # Errors
    /// As [`verify`].
    pub(crate) fn verify(&self, proof: Proof, inputs: PublicInputs) -> Result<Validity, Malformed> {
        let (expected, found) = (self.key.input_count(), inputs.len());
        if expected != found {
            return Err(Malformed::InputCount { expected, found });
        }
        let ticket = Arc::new(Mutex::new(Place::Waiting));
        let mut line = locked(&self.line);
        line.waiting.push_back((ticket.clone(), (proof.clone(), inputs.clone())));
        loop {
            match std::mem::replace(&mut *locked(&ticket), Place::Waiting) {
                Place::Answered(answer) => return Ok(answer),
                Place::Lost => return verify(&self.key, &proof, &inputs),
                Place::Waiting => {}
            }
            line = if line.checking < self.leaders && !line.waiting.is_empty() {
                self.lead(line);
                locked(&self.line)
            } else {
                self.turn.wait(line).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Checks the oldest that wait, and tells them.
    fn lead(&self, mut line: MutexGuard<'_, Line>) {
        let count = line.waiting.len().min(MAX_BATCH);
        let (tickets, items): (Vec<_>, Vec<_>) = line.waiting.drain(..count).unzip();
        line.checking += 1;
        drop(line);
        let turn = Turn { queue: self, tickets };
        // Without an answer (no randomness) the turn's end leaves each to be checked alone: nobody's
        // proof is to blame for it.
        let answers = verify_batch(&self.key, &items).unwrap_or_default();
        for (ticket, answer) in turn.tickets.iter().zip(answers) {
            *locked(ticket) = Place::Answered(answer);
        }
    }
}

/// Gives the turn back, also where the check panics.
struct Turn<'a> {
    queue: &'a Queue,
    tickets: Vec<Ticket>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        for ticket in &self.tickets {
            let mut place = locked(ticket);
            if matches!(*place, Place::Waiting) {
                *place = Place::Lost;
            }
        }
        locked(&self.queue.line).checking -= 1;
        self.queue.turn.notify_all();
    }
}

/// What is kept is whole after every statement, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, path::Path, thread};

    use super::super::proof::NotValid;
    use super::*;

    fn vector(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/groth16");
        fs::read(folder.join(name)).unwrap()
    }

    fn item(name: &str) -> (Proof, PublicInputs) {
        (
            Proof::from_snarkjs(&vector(&format!("{name}.proof.json"))).unwrap(),
            PublicInputs::from_snarkjs(&vector(&format!("{name}.public.json"))).unwrap(),
        )
    }

    #[test]
    fn everybody_in_the_line_gets_the_own_answer() {
        let queue = Desk::shared().queue(&vector("powers4.vk.json")).unwrap();
        let names = ["powers4", "tampered-negated-a", "powers4-other", "tampered-swapped-a-c"];
        let items = names.map(item);
        thread::scope(|scope| {
            for at in 0..24 {
                let (proof, inputs) = items[at % 4].clone();
                let queue = &queue;
                scope.spawn(move || {
                    let expected = match at % 2 {
                        0 => Validity::Valid,
                        _ => Validity::NotValid(NotValid::Equation),
                    };
                    assert_eq!(queue.verify(proof, inputs), Ok(expected), "{}", names[at % 4]);
                });
            }
        });
        let line = locked(&queue.line);
        assert!(line.waiting.is_empty() && line.checking == 0);
    }

    #[test]
    fn a_leader_that_fails_leaves_nobody_waiting() {
        let queue = Queue::new(VerifyingKey::from_snarkjs(&vector("powers4.vk.json")).unwrap());
        let tickets: Vec<Ticket> = (0..2).map(|_| Arc::new(Mutex::new(Place::Waiting))).collect();
        locked(&queue.line).checking = 1;
        drop(Turn { queue: &queue, tickets: tickets.clone() });
        assert!(tickets.iter().all(|ticket| matches!(*locked(ticket), Place::Lost)));
        let (proof, inputs) = item("powers4");
        assert_eq!(queue.verify(proof, inputs), Ok(Validity::Valid));
    }

    #[test]
    fn a_key_is_read_once() {
        let json = vector("powers4.vk.json");
        let desk = Desk { queues: Mutex::new(Lru::new(1)) };
        let first = desk.queue(&json).unwrap();
        assert!(Arc::ptr_eq(&first, &desk.queue(&json).unwrap()));
        desk.queue(&vector("powers2.vk.json")).unwrap();
        assert!(!Arc::ptr_eq(&first, &desk.queue(&json).unwrap()), "forgotten, read again");
        assert!(desk.queue(b"{}").is_err());
        let short = PublicInputs::from_snarkjs(b"[\"1\"]").unwrap();
        assert_eq!(
            first.verify(item("powers4").0, short),
            Err(Malformed::InputCount { expected: 4, found: 1 })
        );
    }
}
