//! Reasons, in words: what would have matched.

use fog_protocol::{Nano, gateway::PassReason};

use crate::matching::{Candidate, Score};

/// Why a bid lost to another.
pub(crate) fn outbid(lost: (&Candidate, Score), won: (&Candidate, Score)) -> String {
    if lost.1.standing() != won.1.standing() {
        return "you were caught with a wrong result and are still flagged: other bids go first"
            .to_owned();
    }
    format!(
        "your {} counts as {} with your reputation, load and exposure; the winning bid of {} \
         counts as {}",
        lost.0.price,
        lost.1.as_price(),
        won.0.price,
        won.1.as_price(),
    )
}

const fn word(reason: PassReason) -> &'static str {
    match reason {
        PassReason::PriceTooLow => "want more",
        PassReason::DeadlineTooShort => "need more time",
        PassReason::Busy => "have no slot free",
        PassReason::TooBig => "do not offer such limits",
        PassReason::StakeTooSmall => "have not enough free stake",
        PassReason::Unsupported => "do not run this kind of program",
        PassReason::Draining => "are shutting down",
    }
}

/// Why nobody got a listing with this price cap, given everybody's answers.
pub(crate) fn unmatched<'a>(
    cap: Nano,
    passes: impl Iterator<Item = &'a (PassReason, Option<Nano>)> + Clone,
    silent: usize,
) -> String {
    let lowest = passes.clone().filter_map(|(_, ask)| *ask).min();
    let mut text = match lowest {
        Some(ask) if ask > cap => {
            format!("no bid at or below {cap}; lowest ask was {ask}")
        }
        Some(_) | None => format!("no bid at or below {cap}"),
    };
    let mut counts = std::collections::BTreeMap::new();
    passes.for_each(|(reason, _)| *counts.entry(*reason).or_insert(0u32) += 1);
    let mut parts: Vec<_> =
        counts.iter().map(|(reason, count)| format!("{count} {}", word(*reason))).collect();
    if silent > 0 {
        parts.push(format!("{silent} did not answer"));
    }
    if parts.is_empty() {
        text.push_str("; no worker with a free slot was there to be asked");
    } else {
        text.push_str(&format!("; of the workers asked, {}", parts.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_matched_is_said() {
        let passes = [
            (PassReason::PriceTooLow, Some(Nano::new(70_000_000))),
            (PassReason::PriceTooLow, Some(Nano::new(50_000_000))),
            (PassReason::Busy, None),
        ];
        assert_eq!(
            unmatched(Nano::new(100_000), passes.iter(), 1),
            "no bid at or below 0.0001 GRAM; lowest ask was 0.05 GRAM; of the workers asked, \
             2 want more, 1 have no slot free, 1 did not answer"
        );
        assert_eq!(
            unmatched(Nano::new(100_000), [].iter(), 0),
            "no bid at or below 0.0001 GRAM; no worker with a free slot was there to be asked"
        );
    }
}
