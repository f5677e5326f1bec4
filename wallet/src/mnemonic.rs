//! TON's 24-word mnemonics.
//!
//! Written here rather than taken from `tonlib-core` 0.26: that one refuses every valid mnemonic
//! with a password (its last check is inverted), cannot generate, and leaves the words in memory.
//! The tests hold this module against both `tonlib-core` and `ton-contracts`.

use std::fmt;
use std::sync::LazyLock;

use fog_protocol::SecretKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use tonlib_core::wallet::mnemonic::WORDLIST_EN_SET;
use zeroize::Zeroizing;

/// Words in a mnemonic.
pub const MNEMONIC_WORDS: usize = 24;

/// PBKDF2 rounds of the key; the basic-seed check uses 1/256 of them.
const ROUNDS: u32 = 100_000;
/// Longest text accepted as a mnemonic: 24 words of eight letters with generous spacing.
const MAX_TEXT: usize = 1024;
/// How the words of local networks begin: they say themselves what they are.
const LOCAL_ONLY: &str = "local only ";
/// Candidates tried before giving up; one in 256 is valid (one in 65,536 with a password).
const MAX_TRIES: u32 = 1 << 21;

static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut words: Vec<_> = WORDLIST_EN_SET.iter().map(|(word, at)| (*at, *word)).collect();
    words.sort_unstable();
    words.into_iter().map(|(_, word)| word).collect()
});

/// Why a text is not a mnemonic. No variant repeats a word: errors end up in logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    /// Not 24 words.
    #[error("a TON mnemonic has 24 words, this has {0}")]
    WordCount(usize),
    /// A word is not in the list; the position counts from 1.
    #[error("word number {0} is not in the English word list: check its spelling")]
    UnknownWord(usize),
    /// The words are in the list but do not form a valid TON seed.
    #[error(
        "these 24 words are no valid TON mnemonic: a word is wrong or misplaced \
         (or it needs a password, or comes from a wallet of another coin)"
    )]
    NotASeed,
    /// A password was given, but these words make a key without one.
    #[error("these words take no password: leave it out")]
    PasswordNotWanted,
    /// The operating system gave no randomness.
    #[error("the operating system's random generator failed")]
    NoRandomness,
}

/// A valid 24-word mnemonic with its optional password. Wiped on drop, never printed by `Debug`.
#[derive(Clone)]
pub struct Mnemonic {
    phrase: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Mnemonic {
    /// Draws a new mnemonic from the operating system's randomness (264 bits before selection).
    ///
    /// # Errors
    /// [`MnemonicError::NoRandomness`].
    pub fn generate() -> Result<Self, MnemonicError> {
        for _ in 0..MAX_TRIES {
            let phrase = random_phrase()?;
            if !phrase.starts_with(LOCAL_ONLY) && is_basic_seed(&entropy(&phrase, "")) {
                return Ok(Self { phrase, password: Zeroizing::default() });
            }
        }
        Err(MnemonicError::NoRandomness)
    }

    /// The mnemonic of a seed everybody knows, for accounts of local networks. **LOCAL ONLY**: it
    /// protects nothing, and its first two words say so.
    ///
    /// # Errors
    /// [`MnemonicError::NoRandomness`] for the practically impossible seed without one.
    pub fn local_only(seed: &[u8; 32]) -> Result<Self, MnemonicError> {
        for counter in 0..MAX_TRIES {
            let bytes = (0..2u8).flat_map(|half| {
                let counter = counter.to_be_bytes();
                fog_protocol::tagged_hash("fog/local-words/v1", &[seed, &counter, &[half]]).0
            });
            let drawn = phrase_of(&bytes.collect::<Vec<_>>());
            let rest = drawn.split(' ').skip(2).collect::<Vec<_>>().join(" ");
            let phrase = Zeroizing::new(format!("{LOCAL_ONLY}{rest}"));
            if is_basic_seed(&entropy(&phrase, "")) {
                return Ok(Self { phrase, password: Zeroizing::default() });
            }
        }
        Err(MnemonicError::NoRandomness)
    }

    /// Reads 24 words separated by white space, in any case.
    ///
    /// # Errors
    /// [`MnemonicError`]; the words themselves are never in it.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        Self::parse_with_password(text, "")
    }

    /// Like [`Mnemonic::parse`], for a mnemonic protected by `password` (empty: none).
    ///
    /// # Errors
    /// [`MnemonicError`]; the words themselves are never in it.
    pub fn parse_with_password(text: &str, password: &str) -> Result<Self, MnemonicError> {
        if text.len() > MAX_TEXT {
            return Err(MnemonicError::WordCount(text.split_whitespace().count()));
        }
        let count = text.split_whitespace().count();
        if count != MNEMONIC_WORDS {
            return Err(MnemonicError::WordCount(count));
        }
        let mut phrase = Zeroizing::new(String::with_capacity(MAX_TEXT));
        for (at, word) in text.split_whitespace().enumerate() {
            let word = Zeroizing::new(word.to_ascii_lowercase());
            if !WORDLIST_EN_SET.contains_key(word.as_str()) {
                return Err(MnemonicError::UnknownWord(at + 1));
            }
            if at > 0 {
                phrase.push(' ');
            }
            phrase.push_str(&word);
        }
        if !password.is_empty() {
            let plain = entropy(&phrase, "");
            if !is_password_seed(&plain) || is_basic_seed(&plain) {
                return Err(MnemonicError::PasswordNotWanted);
            }
        }
        if !is_basic_seed(&entropy(&phrase, password)) {
            return Err(MnemonicError::NotASeed);
        }
        Ok(Self { phrase, password: Zeroizing::new(password.to_owned()) })
    }

    /// Are these the words of a local network's account, which everybody can compute?
    #[must_use]
    pub fn is_local_only(&self) -> bool {
        self.phrase.starts_with(LOCAL_ONLY)
    }

    /// The words, in order. Show them once, to their owner.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.phrase.split(' ')
    }

    /// The words separated by single spaces.
    #[must_use]
    pub fn phrase(&self) -> &str {
        &self.phrase
    }

    /// The password, empty if there is none.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The wallet's Ed25519 key (100,000 rounds of PBKDF2: about a tenth of a second).
    #[must_use]
    pub fn secret_key(&self) -> SecretKey {
        let stretched = stretch(&entropy(&self.phrase, &self.password), "TON default seed", ROUNDS);
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&stretched[..32]);
        SecretKey::from_seed(&seed)
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mnemonic(..)")
    }
}

fn random_phrase() -> Result<Zeroizing<String>, MnemonicError> {
    let mut random = Zeroizing::new([0; 2 * MNEMONIC_WORDS]);
    getrandom::fill(random.as_mut()).map_err(|_| MnemonicError::NoRandomness)?;
    Ok(phrase_of(random.as_ref()))
}

/// The words that `random` picks, two bytes a word.
fn phrase_of(random: &[u8]) -> Zeroizing<String> {
    let mut phrase = Zeroizing::new(String::with_capacity(MAX_TEXT));
    for pair in random.chunks_exact(2).take(MNEMONIC_WORDS) {
        // 2048 words: the low eleven bits are uniform over them.
        let at = usize::from(u16::from_le_bytes([pair[0], pair[1]]) & 0x7ff);
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(WORDS.get(at).copied().unwrap_or_default());
    }
    phrase
}

type Stretched = Zeroizing<[u8; 64]>;

fn entropy(phrase: &str, password: &str) -> Stretched {
    let mut out = Zeroizing::new([0; 64]);
    // HMAC takes a key of any length; the error cannot happen, and all zeroes is no valid seed.
    if let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(phrase.as_bytes()) {
        mac.update(password.as_bytes());
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

fn stretch(entropy: &Stretched, salt: &str, rounds: u32) -> Stretched {
    let mut out = Zeroizing::new([0; 64]);
    pbkdf2::pbkdf2_hmac::<Sha512>(entropy.as_ref(), salt.as_bytes(), rounds, out.as_mut());
    out
}

fn is_basic_seed(entropy: &Stretched) -> bool {
    stretch(entropy, "TON seed version", ROUNDS / 256)[0] == 0
}

fn is_password_seed(entropy: &Stretched) -> bool {
    stretch(entropy, "TON fast seed version", 1)[0] == 1
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const KNOWN: &str = "dose ice enrich trigger test dove century still betray gas diet dune use \
                         other base gym mad law immense village world example praise game";

    #[test]
    fn local_words_say_so() {
        let local = Mnemonic::local_only(&[1; 32]).unwrap();
        assert!(local.phrase().starts_with("local only "));
        assert!(Mnemonic::parse(local.phrase()).unwrap().is_local_only());
        assert_eq!(local.words().count(), MNEMONIC_WORDS);
        assert!(!Mnemonic::generate().unwrap().is_local_only());
        let again = Mnemonic::local_only(&[1; 32]).unwrap();
        let other = Mnemonic::local_only(&[2; 32]).unwrap();
        assert!(local.phrase() == again.phrase() && local.phrase() != other.phrase());
    }

    #[test]
    fn a_known_mnemonic_gives_the_known_key() {
        let key = Mnemonic::parse(KNOWN).unwrap().secret_key();
        let expected = "119dcf2840a3d56521d260b2f125eedc0d4f3795b9e627269a4b5a6dca8257bd";
        assert_eq!(hex::encode(key.seed().as_ref()), expected);
        let upper = KNOWN.to_uppercase().replace(' ', "\n\t");
        assert_eq!(Mnemonic::parse(&upper).unwrap().secret_key().public(), key.public());
    }

    #[test]
    fn both_other_implementations_agree_on_a_new_one() {
        let mine = Mnemonic::generate().unwrap();
        let key = mine.secret_key();
        let tonlib =
            tonlib_core::wallet::mnemonic::Mnemonic::from_str(mine.phrase(), &None).unwrap();
        assert_eq!(tonlib.to_key_pair().unwrap().public_key, key.public().0.0);
        let other: ton_contracts::wallet::mnemonic::Mnemonic = mine.phrase().parse().unwrap();
        assert_eq!(other.generate_keypair(None).unwrap().public_key, key.public().0.0);
    }

    #[test]
    fn a_password_changes_which_words_are_valid() {
        // Look for words that want the password "fog", as wallets do when they make one.
        let phrase = (0..MAX_TRIES)
            .map(|_| random_phrase().unwrap())
            .find(|phrase| {
                let plain = entropy(phrase, "");
                is_password_seed(&plain)
                    && !is_basic_seed(&plain)
                    && is_basic_seed(&entropy(phrase, "fog"))
            })
            .unwrap();
        let mine = Mnemonic::parse_with_password(&phrase, "fog").unwrap();
        let other: ton_contracts::wallet::mnemonic::Mnemonic = phrase.parse().unwrap();
        let pair = other.generate_keypair(Some("fog".to_owned())).unwrap();
        assert_eq!(pair.public_key, mine.secret_key().public().0.0);
        assert_eq!(Mnemonic::parse(&phrase).unwrap_err(), MnemonicError::NotASeed);
        assert_eq!(
            Mnemonic::parse_with_password(KNOWN, "fog").unwrap_err(),
            MnemonicError::PasswordNotWanted
        );
    }

    #[test]
    fn refused_with_the_reason() {
        assert_eq!(Mnemonic::parse("dose ice").unwrap_err(), MnemonicError::WordCount(2));
        let misspelt = KNOWN.replace("enrich", "enrlch");
        assert_eq!(Mnemonic::parse(&misspelt).unwrap_err(), MnemonicError::UnknownWord(3));
        let swapped = KNOWN.replace("dose ice", "ice dose");
        assert_eq!(Mnemonic::parse(&swapped).unwrap_err(), MnemonicError::NotASeed);
    }

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?}", Mnemonic::parse(KNOWN).unwrap());
        assert_eq!(shown, "Mnemonic(..)");
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,400}") {
            let _ = Mnemonic::parse(&text);
        }

        #[test]
        fn any_words_parse_or_are_refused(at in proptest::collection::vec(0usize..2048, 20..28)) {
            let text = at.iter().map(|at| WORDS[*at]).collect::<Vec<_>>().join(" ");
            let _ = Mnemonic::parse(&text);
        }
    }
}
