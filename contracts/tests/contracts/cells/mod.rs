//! Every operation of a contract, in every state, from every role: each cell is run on the TVM, and
//! what became of it is kept in a table beside this file. `FOG_BLESS=1` writes the tables anew;
//! otherwise they have to be what they were, cell by cell.
//!
//! The table says what is; each matrix's `may` says what is meant. A cell that is accepted and not
//! meant fails whatever the table says, so nobody blesses it by accident.

mod market;
mod sources;
mod stake;
mod table;

use fog_protocol::Address;
use tycho_types::cell::Cell;

use crate::solo::{Arrival, Ran, Solo};

use table::Table;

/// An enum and the list of all of it: none can be left out.
macro_rules! every {
    ($(#[$of:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$of])*
        $vis enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            const COUNT: usize = [$(Self::$variant),+].len();
            $vis const ALL: [Self; Self::COUNT] = [$(Self::$variant),+];
        }
    };
}
pub(crate) use every;

/// The action phase failed: see [`Ran::exit`].
const FAILED_ACTION: i32 = -1000;
/// There was not gas enough to begin.
const NOT_BEGUN: i32 = -1001;
const OUT_OF_GAS: i32 = -14;
const LOW_VALUE: i32 = 104;

/// What is said.
struct Said {
    from: Address,
    value: u64,
    body: Cell,
    arrival: Arrival,
}

impl Said {
    /// What becomes of it with this value.
    fn to(&self, at: &Solo, value: u64) -> (Solo, Ran) {
        let mut after = at.clone();
        let ran = after.receive(self.from, value, self.body.clone(), self.arrival);
        (after, ran)
    }

    fn is_taken(&self, at: &Solo, value: u64) -> bool {
        self.to(at, value).1.exit == 0
    }
}

/// What a cell holds.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The opcodes of what was sent, and the least value that is enough.
    Accepted {
        answers: Vec<u32>,
        least: Least,
    },
    /// Taken, and nothing changed or was sent.
    Ignored,
    Refused(i32),
}

/// The smallest value that a message is accepted with.
#[derive(Debug, PartialEq, Eq)]
enum Least {
    /// The contract demands this much, in nanogram.
    Demanded(u64),
    /// It demands nothing: with less there is no gas for it.
    Gas,
    /// It demands nothing: with less its answer could not be sent.
    Answer,
}

/// Says it, and looks at what it did with `check` (before, after, what was sent), at the least value
/// and at one nanogram more, too. `guess` is where the least was last time.
fn outcome(
    at: &Solo,
    said: &Said,
    guess: &mut Option<u64>,
    check: &dyn Fn(&Solo, &Solo, &Ran),
) -> Outcome {
    let (after, ran) = said.to(at, said.value);
    if ran.exit != 0 {
        assert!(ran.exit >= 100 || ran.exit == FAILED_ACTION, "{}", ran.exit);
        assert_unmoved(at, &after, &ran);
        return Outcome::Refused(ran.exit);
    }
    check(at, &after, &ran);
    if ran.out.is_empty() && after.stored() == at.stored() {
        return Outcome::Ignored;
    }
    let value = least(at, said, *guess);
    *guess = Some(value);
    let (unmoved, refused) = said.to(at, value - 1);
    assert_unmoved(at, &unmoved, &refused);
    for enough in [value, value + 1] {
        let (other, ran) = said.to(at, enough);
        assert_eq!(ran.exit, 0, "with {enough}");
        check(at, &other, &ran);
        assert_eq!(other.stored(), after.stored(), "more value buys nothing");
    }
    let least = match refused.exit {
        LOW_VALUE => Least::Demanded(value),
        OUT_OF_GAS | NOT_BEGUN => Least::Gas,
        FAILED_ACTION => Least::Answer,
        other => panic!("refused with {other} for its value"),
    };
    Outcome::Accepted { answers: ran.sent.iter().map(crate::solo::Sent::op).collect(), least }
}

/// Found by halving, where it is not what it was.
fn least(at: &Solo, said: &Said, guess: Option<u64>) -> u64 {
    if let Some(value) = guess
        && said.is_taken(at, value)
        && !said.is_taken(at, value - 1)
    {
        return value;
    }
    let (mut low, mut high) = (0, said.value);
    assert!(!said.is_taken(at, low), "for nothing");
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if said.is_taken(at, middle) { high = middle } else { low = middle }
    }
    high
}

fn assert_unmoved(at: &Solo, after: &Solo, ran: &Ran) {
    assert!(ran.exit != 0);
    assert_eq!(after.stored(), at.stored(), "refused, and something changed");
    assert!(ran.out.is_empty(), "refused, and something was sent");
}
