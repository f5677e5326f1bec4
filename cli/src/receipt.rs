//! `fog task receipt`: why trust a result.

use std::process::ExitCode;

use fog_protocol::{
    GuestExit, Hash32, JettonAmount, JournalStart, Nano, Policy, RATE_ONE, TaskId, TaskStatus,
    api::{GivenUpView, RecheckView, TaskView},
};
use serde::Serialize;

use crate::{
    chain, jetton::Prices, market, output::Output, settings::Settings, signed::SignedBy, task,
};

/// Why trust this result?
#[derive(Debug, Serialize)]
struct Receipt {
    task: TaskId,
    status: TaskStatus,
    strategy: &'static str,
    /// Share of results that are checked.
    rate: f64,
    /// The share at which this one's draw was made: the listing's, or more where the node adds to it
    /// for its worker's short history.
    drawn_at: f64,
    /// The node trusts its worker, and leaves this much of what it would add.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<f64>,
    /// Its worker was caught after it had been accepted without a look.
    #[serde(skip_serializing_if = "Option::is_none")]
    recheck: Option<RecheckView>,
    /// Who comes to the verdict.
    decided_by: DecidedBy,
    /// Was this one?
    audited: bool,
    checked: Option<String>,
    /// What a check of this strategy finds, and how surely.
    finds: String,
    /// Odds that a wrong result in its place would have been found: where a check may miss it, one
    /// that is wrong all over.
    detection: f64,
    /// Wrong results after which a worker has been caught with 95 % certainty.
    caught_within: u32,
    price_nano: Option<Nano>,
    /// The price, for people.
    #[serde(skip)]
    price: Option<String>,
    /// What is paid, and in which jetton; `price_nano` only guarantees it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_in_jetton: Option<JettonAmount>,
    stake_at_risk_nano: Option<Nano>,
    /// What one wrong result earns its worker on average: price kept where it is not found, stake
    /// lost where it is.
    cheating_earns_nano: Option<i128>,
    verifiers: usize,
    threshold: u8,
    /// Which verifiers signed, once they have; their signatures were checked.
    signed_by: Option<SignedBy>,
    evidence: Option<Hash32>,
    /// How the program ended: which limit it hit, and how far it got.
    exit: Option<GuestExit>,
    result: Option<Hash32>,
    /// Its worker gave it up, and says why; nobody checked that.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<GivenUpView>,
}

/// Who says whether a result is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum DecidedBy {
    /// So many of the market's verifiers as have to sign.
    Verifiers,
    /// The task's own contract, which checks the proof and pays: nobody signs.
    Contract,
}

impl DecidedBy {
    /// A proof that did not come in time, or was overruled, leaves a verdict of verifiers.
    const fn of(policy: &Policy, has_verdict: bool) -> Self {
        match (policy, has_verdict) {
            (Policy::Proof { .. }, false) => Self::Contract,
            _ => Self::Verifiers,
        }
    }
}

pub(crate) async fn receipt(
    id: &TaskId,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let node = task::connect(settings).await?;
    let view = task::find(&node, id).await?;
    let config = market::config(&chain::connect(settings)?, view.listing.market).await?;
    let mut receipt = of(&view, config.verifiers.len(), config.threshold);
    if receipt.decided_by == DecidedBy::Verifiers {
        receipt.signed_by = SignedBy::of(&view, &node, &config, settings).await?;
    }
    if let Some(price) = view.price {
        let prices = Prices::of(std::iter::once(&view.listing), settings).await;
        receipt.price = Some(prices.shown(&view.listing, price));
    }
    output.document(&receipt, || text(&receipt))?;
    Ok(ExitCode::SUCCESS)
}

fn of(view: &TaskView, verifiers: usize, threshold: u8) -> Receipt {
    let share = |ppm: u32| f64::from(ppm) / f64::from(RATE_ONE);
    let rate = share(view.listing.policy.rate_ppm());
    let named = view.verdict.as_ref().and_then(|verdict| verdict.rate_ppm);
    let drawn_at = named.map_or(rate, share).max(rate);
    let looked = view
        .recheck
        .as_ref()
        .is_some_and(|again| again.found != "too_late" && again.found != "due");
    let decided_by = DecidedBy::of(&view.listing.policy, view.verdict.is_some());
    let proven = decided_by == DecidedBy::Contract && view.status == TaskStatus::Paid;
    let audited = proven || view.verdict.as_ref().is_some_and(|verdict| verdict.audited);
    // A price in a jetton cannot be set against a stake in GRAM.
    let comparable = view.price.filter(|_| view.listing.rail.jetton().is_none());
    let cheating = comparable.zip(view.reserve).map(|(price, reserve)| {
        let ppm = i128::from(view.listing.policy.rate_ppm());
        let one = i128::from(RATE_ONE);
        let (price, reserve) = (i128::from(price.get()), i128::from(reserve.get()));
        (price * (one - ppm) - reserve * ppm) / one
    });
    Receipt {
        task: view.id,
        status: view.status,
        strategy: view.listing.policy.name(),
        rate,
        audited,
        checked: match &view.verdict {
            Some(verdict) => Some(verdict.reason.clone()),
            None => proven.then(|| "its proof was checked by the task's contract".to_owned()),
        },
        decided_by,
        finds: finds(&view.listing.policy),
        drawn_at,
        trust: view.verdict.as_ref().and_then(|verdict| verdict.trust_ppm).map(share),
        recheck: view.recheck.clone(),
        detection: if audited || looked { 1.0 } else { drawn_at },
        caught_within: caught_within(rate),
        price_nano: view.price,
        price: None,
        price_in_jetton: view.price.and_then(|price| view.listing.in_jetton(price)),
        stake_at_risk_nano: view.reserve,
        cheating_earns_nano: cheating,
        verifiers,
        threshold,
        signed_by: None,
        evidence: view.verdict.as_ref().map(|verdict| verdict.evidence),
        exit: view.exit,
        result: view.result_hash,
        given_up: view.given_up.clone(),
    }
}

/// What it meant for this result that its worker was caught.
pub(crate) fn again(recheck: &RecheckView, status: TaskStatus) -> String {
    let caught = recheck.caught;
    match (recheck.found.as_str(), status) {
        ("due", _) => format!("its worker was caught with {caught}: it is run again"),
        ("right", _) => {
            format!("re-verified after its worker was caught with {caught}: it is right")
        }
        ("wrong", TaskStatus::Slashed) => format!(
            "re-verified after its worker was caught with {caught}: it was WRONG; reversed, you have \
             your money back"
        ),
        ("wrong", TaskStatus::Paid) => format!(
            "re-verified after its worker was caught with {caught}: it is WRONG, found too late to be \
             reversed"
        ),
        ("wrong", _) => format!(
            "re-verified after its worker was caught with {caught}: it is WRONG; its acceptance is \
             challenged on chain"
        ),
        _ => format!(
            "its worker was caught with {caught} when the window of this one was over: nobody ran it \
             again, nothing was reversed"
        ),
    }
}

/// What a check finds, and what it may miss.
fn finds(policy: &Policy) -> String {
    match policy {
        Policy::Replay { .. } => "finds any difference in output or fuel".to_owned(),
        Policy::Receipt { start, .. } => match start {
            JournalStart::Binding => {
                "finds any result without a valid receipt for this task".into()
            }
            JournalStart::Anything => {
                "finds any result without a valid receipt; one made for somebody else is as good"
                    .into()
            }
        },
        Policy::Groth16 { curve, .. } => {
            format!("finds any result without a valid proof over {}", curve.name())
        }
        Policy::Proof { .. } => "finds any result without a valid proof".to_owned(),
        Policy::Improves { than, .. } => {
            format!("finds any result that neither beats {than} nor is what the program gives")
        }
        Policy::Statistical { .. } => {
            "finds numbers outside their bounds; of Monte Carlo estimates \
            65 % of those wrong by 6 standard deviations, 99 % by 8; it calls less than one honest \
            result in a million wrong"
                .to_owned()
        }
        Policy::Redundant { copies, .. } => format!(
            "finds any difference between {copies} workers that were not told of each other; a \
             verifier's own run then says who is wrong. Workers in league that give one wrong answer \
             are found only where they are newcomers or were caught before: these are always run again"
        ),
        Policy::Copies { copies, rate_ppm, .. } => format!(
            "finds any difference between {copies} workers that were not told of each other; a \
             verifier's own run then says who is wrong. Workers in league that give one wrong answer \
             are found with {:.1} %: each copy is drawn by itself, and one that is wrong gives all away",
            100.0 * sampled(f64::from(*rate_ppm) / f64::from(RATE_ONE), u16::from(*copies))
        ),
        Policy::Merkle { samples, .. } => {
            let odds = |wrong: f64| 100.0 * sampled(wrong, *samples);
            format!(
                "finds a result with 1 % wrong chunks with {:.2} %, with 10 % of them with {:.2} %: \
                 1 - (1 - f)^{samples}",
                odds(0.01),
                odds(0.1)
            )
        }
    }
}

/// Odds that one of `samples` drawn chunks is among the share `wrong`.
fn sampled(wrong: f64, samples: u16) -> f64 {
    1.0 - (1.0 - wrong).powi(i32::from(samples))
}

/// The least n with 1 - (1 - rate)^n >= 0.95.
fn caught_within(rate: f64) -> u32 {
    if rate >= 0.95 { 1 } else { ((0.05f64).ln() / (1.0 - rate).ln()).ceil() as u32 }
}

fn text(receipt: &Receipt) -> String {
    let percent = |share: f64| format!("{} %", (share * 10_000.0).round() / 100.0);
    let shown = |amount: Option<Nano>| amount.map_or_else(|| "-".to_owned(), |a| a.to_string());
    let how = match receipt.strategy {
        "groth16" | "proof" | "receipt" => format!("{}: every result is checked", receipt.strategy),
        other => format!(
            "{other}: {} of results are checked; a worker of wrong ones is caught within {} with 95 % \
             certainty",
            percent(receipt.rate),
            receipt.caught_within
        ),
    };
    let mut lines = vec![
        format!("task       {} ({})", receipt.task, receipt.status),
        format!("strategy   {how}"),
        format!("a check    {}", receipt.finds),
        format!(
            "this one   {}; a wrong result here is found with {}",
            receipt.checked.as_deref().unwrap_or("no verdict yet"),
            percent(receipt.detection)
        ),
        format!(
            "at stake   {} for a price of {}",
            shown(receipt.stake_at_risk_nano),
            receipt.price.as_deref().unwrap_or("-")
        ),
    ];
    if let Some(recheck) = &receipt.recheck {
        lines.push(format!("later      {}", again(recheck, receipt.status)));
    }
    if receipt.drawn_at > receipt.rate && !receipt.audited {
        let why = match receipt.trust {
            None => "for its worker's short history".to_owned(),
            Some(left) => format!(
                "for its worker's short history, of which the node leaves {} because it trusts it",
                percent(left)
            ),
        };
        lines.push(format!("drawn at   {}, {why}", percent(receipt.drawn_at)));
    } else if receipt.trust.is_some() {
        lines.push("trust      the node trusts its worker; the listing's rate holds".to_owned());
    }
    if let Some(nano) = receipt.cheating_earns_nano {
        let gram = nano as f64 / 1e9;
        lines.push(format!("cheating   earns {gram:+.6} GRAM a task on average"));
    }
    lines.push(match (receipt.decided_by, &receipt.signed_by) {
        (DecidedBy::Verifiers, Some(signed)) => format!("by whom    {}", signed.text()),
        (DecidedBy::Verifiers, None) => format!(
            "by whom    {} of {} verifiers have to sign",
            receipt.threshold, receipt.verifiers
        ),
        (DecidedBy::Contract, _) => {
            "by whom    the task's contract, which checks the proof itself; no verifier signs"
                .into()
        }
    });
    if let Some(evidence) = receipt.evidence {
        lines.push(format!("evidence   {evidence} (fog task evidence ID --out FILE)"));
    }
    if let Some(exit) = receipt.exit {
        lines.push(format!("ended      {exit}"));
    }
    if let Some(given_up) = &receipt.given_up {
        lines.push(format!("given up   {given_up} (nobody checked that)"));
    }
    if let Some(result) = receipt.result {
        lines.push(format!("result     sha256 {result}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use fog_protocol::{Hash32, Policy};

    use super::{DecidedBy, caught_within, finds, sampled};

    #[test]
    fn who_decides_is_who_did() {
        let proof = Policy::Proof { key: Hash32([1; 32]) };
        assert_eq!(DecidedBy::of(&proof, false), DecidedBy::Contract);
        assert_eq!(DecidedBy::of(&proof, true), DecidedBy::Verifiers, "overruled");
        let replay = Policy::Replay { rate_ppm: 50_000 };
        assert_eq!(DecidedBy::of(&replay, false), DecidedBy::Verifiers, "not yet");
    }

    #[test]
    fn copies_do_not_claim_to_find_a_conspiracy() {
        let said = finds(&Policy::Copies { copies: 3, sibling: Hash32([2; 32]), rate_ppm: 50_000 });
        assert!(said.contains("in league"), "{said}");
        assert!(said.contains("14.3 %"), "{said}");
    }

    #[test]
    fn the_odds_are_those_of_the_formula() {
        assert_eq!(caught_within(0.05), 59);
        assert_eq!(caught_within(1.0), 1);
        assert_eq!(caught_within(0.5), 5);
        assert!(1.0 - 0.95f64.powi(58) < 0.95);
        assert!((sampled(0.1, 20) - 0.878_423).abs() < 1e-6);
        assert!((sampled(1.0, 1) - 1.0).abs() < 1e-12);
    }
}
