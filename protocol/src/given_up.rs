//! Why a worker gave a task up: what it says, and nobody checks.
//!
//! A run that a host's own limits ended is no result, since on another host it may end otherwise: the
//! worker can commit to nothing, and without this its requestor would never hear why. It decides
//! nothing, about money least of all.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What ended a worker's attempt.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum GiveUpCause {
    /// The program ran into the time that its host allows on the wall.
    WallTime {
        /// How long it had run, in milliseconds.
        reached_ms: u64,
        /// What the host allows, in milliseconds.
        allowed_ms: u64,
    },
    /// The program is refused before it runs.
    Refused {
        /// Stable code, such as `not_wasm`.
        code: String,
    },
    /// The host could not run it to its end: out of memory or of disk, its sandbox died.
    Host,
    /// The node did not hand over the work that the listing names.
    NoPayload,
    /// The chain says that the task is not this worker's.
    NotAssigned,
    /// The program gave another result than the one committed to.
    OtherResult,
    /// It was not done by its deadline, or what was done was never acknowledged.
    Late,
}

/// Why a worker gave a task up.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// What ended its attempt.
    pub cause: GiveUpCause,
    /// For people: one line.
    pub detail: String,
}

/// What is wrong with a [`GivenUp`] from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGivenUp {
    /// The detail is too long.
    #[error("`detail` has more than {} characters", GivenUp::MOST_CHARS)]
    TooLong,
    /// The detail could change how what is around it is shown.
    #[error("`detail` has control or direction characters: one line of plain text is taken")]
    NotPlain,
    /// The code is none.
    #[error("`code` is at most {} characters of a-z, 0-9 and _", GivenUp::MOST_CODE_CHARS)]
    Code,
}

impl GivenUp {
    /// Characters of a detail.
    pub const MOST_CHARS: usize = 300;
    /// Characters of a code.
    pub const MOST_CODE_CHARS: usize = 64;

    /// With a detail that is cut, and made one line of plain text.
    #[must_use]
    pub fn new(cause: GiveUpCause, detail: &str) -> Self {
        let plain = detail.chars().map(|c| if is_plain(c) { c } else { ' ' });
        Self { cause, detail: plain.take(Self::MOST_CHARS).collect() }
    }

    /// Can it be shown as it is, and is it short enough to be kept?
    ///
    /// # Errors
    /// [`BadGivenUp`] says what cannot.
    pub fn check(&self) -> Result<(), BadGivenUp> {
        // Bytes first: nobody counts the characters of what is far too long.
        let long = self.detail.len() > 4 * Self::MOST_CHARS
            || self.detail.chars().count() > Self::MOST_CHARS;
        if long {
            return Err(BadGivenUp::TooLong);
        }
        if !self.detail.chars().all(is_plain) {
            return Err(BadGivenUp::NotPlain);
        }
        match &self.cause {
            GiveUpCause::Refused { code } if !is_code(code) => Err(BadGivenUp::Code),
            GiveUpCause::Refused { .. }
            | GiveUpCause::WallTime { .. }
            | GiveUpCause::Host
            | GiveUpCause::NoPayload
            | GiveUpCause::NotAssigned
            | GiveUpCause::OtherResult
            | GiveUpCause::Late => Ok(()),
        }
    }
}

/// Neither a control character nor one that turns the direction of what follows.
fn is_plain(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !turns
}

fn is_code(code: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=GivenUp::MOST_CODE_CHARS).contains(&code.len()) && code.bytes().all(is_part)
}

/// One sentence, for people.
impl fmt::Display for GiveUpCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WallTime { reached_ms, allowed_ms } => write!(
                f,
                "the wall time limit of its host was hit: {reached_ms} of {allowed_ms} ms"
            ),
            Self::Refused { code } => write!(f, "the program is refused ({code})"),
            Self::Host => f.write_str("its host could not run the program to its end"),
            Self::NoPayload => f.write_str("the node did not hand over the work"),
            Self::NotAssigned => f.write_str("the chain says that the task is not its own"),
            Self::OtherResult => f.write_str("the program gave another result than before"),
            Self::Late => f.write_str("it was too late"),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            return self.cause.fmt(f);
        }
        write!(f, "{}: {}", self.cause, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored never changes its bytes.
    #[test]
    fn causes_keep_their_bytes() {
        let causes = [
            (
                GiveUpCause::WallTime { reached_ms: 30_001, allowed_ms: 30_000 },
                "0031750000000000003075000000000000",
            ),
            (GiveUpCause::Refused { code: "x".to_owned() }, "010100000078"),
            (GiveUpCause::Host, "02"),
            (GiveUpCause::NoPayload, "03"),
            (GiveUpCause::NotAssigned, "04"),
            (GiveUpCause::OtherResult, "05"),
            (GiveUpCause::Late, "06"),
        ];
        for (cause, bytes) in causes {
            assert_eq!(borsh::to_vec(&cause).map(hex::encode).ok().as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_a_worker_says_is_one_short_line() {
        let said = GivenUp::new(GiveUpCause::Host, &"a\nb\u{1b}[31m\u{202e}".repeat(100));
        assert_eq!(said.check(), Ok(()));
        assert_eq!(said.detail.chars().count(), GivenUp::MOST_CHARS);
        let of = |detail: &str| GivenUp { cause: GiveUpCause::Host, detail: detail.to_owned() };
        assert_eq!(of(&"ä".repeat(GivenUp::MOST_CHARS)).check(), Ok(()));
        assert_eq!(of(&"a".repeat(GivenUp::MOST_CHARS + 1)).check(), Err(BadGivenUp::TooLong));
        for bad in ["two\nlines", "\u{1b}[2J", "\u{202e}desrever", "\0"] {
            assert_eq!(of(bad).check(), Err(BadGivenUp::NotPlain), "{bad:?}");
        }
        for bad in ["", "Not a code", &"x".repeat(GivenUp::MOST_CODE_CHARS + 1)] {
            let cause = GiveUpCause::Refused { code: bad.to_owned() };
            assert_eq!(GivenUp::new(cause, "").check(), Err(BadGivenUp::Code), "{bad}");
        }
    }

    #[test]
    fn the_limit_is_named_with_how_far_the_program_got() {
        let cause = GiveUpCause::WallTime { reached_ms: 30_012, allowed_ms: 30_000 };
        let said = GivenUp::new(cause, "").to_string();
        assert_eq!(said, "the wall time limit of its host was hit: 30012 of 30000 ms");
    }
}
