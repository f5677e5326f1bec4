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

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use fog_protocol::Hash32;

use super::batch::{Item, MAX_BATCH, verify_batch};
use super::curve::SnarkCurve;
use super::key::KeyOf;
use super::malformed::Malformed;
use super::proof::{InputsOf, ProofOf, Validity, verify};
use crate::lru::Lru;

/// Keys that stay ready. One of the most inputs takes half a megabyte, one with tables two.
const KEYS: usize = 16;

/// The keys over one curve that this process has used last. What a key says is a function of its
/// bytes, so that it is shared by all who ask changes no answer.
pub(crate) struct Desk<E: SnarkCurve> {
    queues: Mutex<Lru<Hash32, Arc<Queue<E>>>>,
}

/// A curve with a desk of the process's own.
pub(crate) trait Desked: SnarkCurve {
    /// That desk.
    fn desk() -> &'static Desk<Self>;
}

impl Desked for Bn254 {
    fn desk() -> &'static Desk<Self> {
        static DESK: LazyLock<Desk<Bn254>> = LazyLock::new(|| Desk::new(KEYS));
        &DESK
    }
}

impl Desked for Bls12_381 {
    fn desk() -> &'static Desk<Self> {
        static DESK: LazyLock<Desk<Bls12_381>> = LazyLock::new(|| Desk::new(KEYS));
        &DESK
    }
}

impl<E: SnarkCurve> Desk<E> {
    fn new(keys: usize) -> Self {
        Self { queues: Mutex::new(Lru::new(keys)) }
    }

    /// The queue before the key in a file of snarkjs or arkworks.
    ///
    /// # Errors
    /// [`Malformed`]: the key is none, or one over another curve.
    pub(crate) fn queue(&self, file: &[u8]) -> Result<Arc<Queue<E>>, Malformed> {
        let name = Hash32::of(file);
        if let Some(queue) = locked(&self.queues).get(&name) {
            return Ok(queue);
        }
        // Read unlocked: two who bring a new key at once both read it, and one queue is forgotten.
        let queue = Arc::new(Queue::new(KeyOf::from_file(file)?));
        locked(&self.queues).put(name, queue.clone());
        Ok(queue)
    }
}

/// A key, and the proofs that wait for it.
pub(crate) struct Queue<E: SnarkCurve> {
    key: KeyOf<E>,
    /// How many may check at once.
    leaders: usize,
    line: Mutex<Line<E>>,
    turn: Condvar,
}

struct Line<E: SnarkCurve> {
    waiting: VecDeque<(Ticket, Item<E>)>,
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

impl<E: SnarkCurve> Queue<E> {
    pub(super) fn new(key: KeyOf<E>) -> Self {
        let leaders = available_parallelism().map_or(1, NonZero::get);
        let line = Mutex::new(Line { waiting: VecDeque::new(), checking: 0 });
        Self { key, leaders, line, turn: Condvar::new() }
    }

    pub(crate) const fn key(&self) -> &KeyOf<E> {
        &self.key
    }

    /// Checks a proof, perhaps with others. Blocks.
    ///
    /// # Errors
    /// As [`verify`].
    pub(crate) fn verify(
        &self,
        proof: ProofOf<E>,
        inputs: InputsOf<E>,
    ) -> Result<Validity, Malformed> {
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
    fn lead(&self, mut line: MutexGuard<'_, Line<E>>) {
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
struct Turn<'a, E: SnarkCurve> {
    queue: &'a Queue<E>,
    tickets: Vec<Ticket>,
}

impl<E: SnarkCurve> Drop for Turn<'_, E> {
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

    /// A file of snarkjs' for this curve.
    fn vector<E: SnarkCurve>(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/groth16");
        let folder = if E::NAME == "bn254" { folder } else { folder.join(E::NAME) };
        fs::read(folder.join(name)).unwrap()
    }

    fn item<E: SnarkCurve>(name: &str) -> (ProofOf<E>, InputsOf<E>) {
        (
            ProofOf::from_snarkjs(&vector::<E>(&format!("{name}.proof.json"))).unwrap(),
            InputsOf::from_snarkjs(&vector::<E>(&format!("{name}.public.json"))).unwrap(),
        )
    }

    fn everybody_in_the_line_gets_the_own_answer<E: Desked>() {
        let queue = E::desk().queue(&vector::<E>("powers4.vk.json")).unwrap();
        let names = ["powers4", "tampered-negated-a", "powers4-other", "tampered-swapped-a-c"];
        let items = names.map(item::<E>);
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

    /// The oldest of a line are one batch, of which each bad one is named.
    fn what_waited_is_checked_at_once<E: Desked>() {
        let queue = Queue::new(KeyOf::<E>::from_snarkjs(&vector::<E>("powers4.vk.json")).unwrap());
        let names = ["powers4", "powers4-other", "tampered-foreign-c", "powers4", "powers4-other"];
        let tickets: Vec<Ticket> =
            names.iter().map(|_| Arc::new(Mutex::new(Place::Waiting))).collect();
        let mut line = locked(&queue.line);
        let waiting = tickets.iter().cloned().zip(names.map(item::<E>));
        line.waiting.extend(waiting);
        queue.lead(line);
        let valid: Vec<_> = tickets
            .iter()
            .map(|ticket| matches!(*locked(ticket), Place::Answered(Validity::Valid)))
            .collect();
        assert_eq!(valid, [true, true, false, true, true]);
        assert!(locked(&queue.line).waiting.is_empty());
    }

    fn a_leader_that_fails_leaves_nobody_waiting<E: Desked>() {
        let queue = Queue::new(KeyOf::<E>::from_snarkjs(&vector::<E>("powers4.vk.json")).unwrap());
        let tickets: Vec<Ticket> = (0..2).map(|_| Arc::new(Mutex::new(Place::Waiting))).collect();
        locked(&queue.line).checking = 1;
        drop(Turn { queue: &queue, tickets: tickets.clone() });
        assert!(tickets.iter().all(|ticket| matches!(*locked(ticket), Place::Lost)));
        let (proof, inputs) = item::<E>("powers4");
        assert_eq!(queue.verify(proof, inputs), Ok(Validity::Valid));
    }

    fn a_key_is_read_once<E: Desked>() {
        let json = vector::<E>("powers4.vk.json");
        let desk = Desk::<E>::new(1);
        let first = desk.queue(&json).unwrap();
        assert!(Arc::ptr_eq(&first, &desk.queue(&json).unwrap()));
        desk.queue(&vector::<E>("powers2.vk.json")).unwrap();
        assert!(!Arc::ptr_eq(&first, &desk.queue(&json).unwrap()), "forgotten, read again");
        assert!(desk.queue(b"{}").is_err());
        let short = InputsOf::from_snarkjs(b"[\"1\"]").unwrap();
        assert_eq!(
            first.verify(item::<E>("powers4").0, short),
            Err(Malformed::InputCount { expected: 4, found: 1 })
        );
    }

    /// The desks of both curves know the same file, and each only keys of its own.
    #[test]
    fn a_key_of_the_other_curve_is_none() {
        let key = vector::<Bn254>("powers2.vk.json");
        Bn254::desk().queue(&key).unwrap();
        assert!(matches!(Bls12_381::desk().queue(&key), Err(Malformed::OtherCurve { .. })));
        let key = vector::<Bls12_381>("powers2.vk.json");
        Bls12_381::desk().queue(&key).unwrap();
        assert!(matches!(Bn254::desk().queue(&key), Err(Malformed::OtherCurve { .. })));
    }

    macro_rules! over_both {
        ($($test:ident),*) => {
            mod bn254 { $(#[test] fn $test() { super::$test::<ark_bn254::Bn254>(); })* }
            mod bls12_381 { $(#[test] fn $test() { super::$test::<ark_bls12_381::Bls12_381>(); })* }
        };
    }
    over_both!(
        everybody_in_the_line_gets_the_own_answer,
        what_waited_is_checked_at_once,
        a_leader_that_fails_leaves_nobody_waiting,
        a_key_is_read_once
    );
}
