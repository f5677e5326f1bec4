//! The demo's job: count the words of a text. Split into chunks, one task each; merge by adding.

use std::collections::BTreeMap;

/// Why a chunk's result cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a chunk's result is not `word<TAB>count`")]
pub struct MergeError {
    line: usize,
}

/// Longest word in bytes; the guest cuts longer ones.
const LONGEST_WORD: usize = 256;

/// Counts of words. A word is a run of bytes: see [`count_locally`].
pub type Counts = BTreeMap<Vec<u8>, u64>;

/// Cuts `text` into at most `count` chunks of about equal size, between words.
#[must_use]
pub fn split(text: &[u8], count: usize) -> Vec<&[u8]> {
    let target = text.len().div_ceil(count.max(1)).max(1);
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = if chunks.len() + 1 == count || rest.len() <= target {
            rest.len()
        } else {
            let gap = rest[target..].iter().position(|byte| !continues_word(*byte));
            gap.map_or(rest.len(), |gap| target + gap)
        };
        let (chunk, next) = rest.split_at(end);
        chunks.push(chunk);
        rest = next;
    }
    chunks
}

/// Counts words here, not by a worker, under the rule of `cli/guests/wordcount`: a word starts
/// with an ASCII letter or a byte from 0x80 up, goes on with those and ASCII digits, is at most
/// 256 bytes long, and ASCII letters are lowered.
#[must_use]
pub fn count_locally(text: &[u8]) -> Counts {
    let mut counts = Counts::new();
    let mut rest = text;
    while let Some(start) = rest.iter().position(|byte| starts_word(*byte)) {
        let word = &rest[start..];
        let longest = word.len().min(LONGEST_WORD);
        let length =
            word[..longest].iter().position(|byte| !continues_word(*byte)).unwrap_or(longest);
        *counts.entry(word[..length].to_ascii_lowercase()).or_insert(0) += 1;
        rest = &word[length..];
    }
    counts
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

const fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit()
}

/// Adds a chunk's result (`word<TAB>count` lines) to `counts`.
///
/// # Errors
/// [`MergeError`] for anything that is not such a line; `counts` then holds a part of it.
pub fn merge(counts: &mut Counts, result: &[u8]) -> Result<(), MergeError> {
    for (index, line) in result.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let error = MergeError { line: index + 1 };
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(|| error.clone())?;
        let count = std::str::from_utf8(&line[tab + 1..]).ok().and_then(|text| text.parse().ok());
        let count: u64 = count.ok_or_else(|| error.clone())?;
        let sum = counts.entry(line[..tab].to_vec()).or_insert(0);
        *sum = sum.checked_add(count).ok_or(error)?;
    }
    Ok(())
}

/// The merged result as a document, in the form of a chunk's result.
#[must_use]
pub fn document(counts: &Counts) -> Vec<u8> {
    let mut text = Vec::new();
    for (word, count) in counts {
        text.extend_from_slice(word);
        text.extend_from_slice(format!("\t{count}\n").as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn chunks_count_like_the_whole(text in "[a-zA-Z0-9 ,\n\u{e4}]{0,400}", count in 1usize..20) {
            let chunks = split(text.as_bytes(), count);
            proptest::prop_assert!(chunks.len() <= count);
            proptest::prop_assert_eq!(chunks.concat(), text.as_bytes());
            let mut merged = Counts::new();
            for chunk in chunks {
                let result = document(&count_locally(chunk));
                proptest::prop_assert_eq!(merge(&mut merged, &result), Ok(()));
            }
            proptest::prop_assert_eq!(merged, count_locally(text.as_bytes()));
        }

        #[test]
        fn garbage_is_refused_or_merged(result: Vec<u8>) {
            let _ = merge(&mut Counts::new(), &result);
        }
    }
}
