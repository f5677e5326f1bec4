//! `fog task challenge`: disputes a verdict.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use fog_contracts::{CHALLENGE_VALUE, TaskState, dispute, task::TaskData};
use fog_protocol::{Hash32, TaskId};
use fog_wallet::OutMessage;
use serde_json::json;

use crate::{chain, files, keys, market, output::Output, settings::Settings, task};

/// Largest file of evidence.
const MAX_EVIDENCE: u64 = 1 << 30;

pub(crate) async fn challenge(
    id: &TaskId,
    evidence: &Path,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let evidence = Hash32::of(&files::read(evidence, MAX_EVIDENCE)?);
    let view = task::find(&task::connect(settings).await?, id).await?;
    let chain = chain::connect(settings)?;
    let escrow = view.escrow;
    let data = chain.account(&escrow).await?.data;
    let data = data.with_context(|| format!("there is no contract at {escrow}"))?;
    let data = TaskData::parse(&data)?;
    if data.init.terms.id != id.0 {
        bail!("{escrow} is the contract of another task: the node gave a wrong address");
    }
    let now = chain.chain_time().await?;
    let state = data.state;
    match state {
        TaskState::Accepted | TaskState::Rejected if now < data.deadline => {}
        TaskState::Accepted | TaskState::Rejected => {
            bail!("the window for a challenge is over since {} s", now - data.deadline)
        }
        TaskState::Disputed => bail!("its verdict is disputed already: one challenge is enough"),
        _ => bail!(
            "the task is {} on chain: a verdict can be challenged from when it is there until its \
             window is over",
            format!("{state:?}").to_lowercase()
        ),
    }
    let config = market::config(&chain, data.init.market).await?;
    let bond = config.challenge_bond;
    let wallet = keys::unlock(settings, &chain).await?;
    let message = OutMessage::new(escrow, bond.saturating_add(CHALLENGE_VALUE))
        .with_body(dispute::challenge(0, &evidence)?);
    let sent = fog_requestor::call(&chain, &wallet, &escrow, message).await?;
    let sent = chain::Sent::of(&wallet, &sent);
    let shown = json!({
        "task": id,
        "escrow": escrow,
        "challenged": format!("{state:?}").to_lowercase(),
        "evidence": evidence,
        "bond_nano": bond,
        "decided_by": now + config.appeal_time,
        "sent": sent,
    });
    output.document(&shown, || {
        format!(
            "challenged: {} verifiers decide within {} s; {bond} of yours is at stake\n\
             evidence {evidence}: hand the file to the verifiers, the contract has its hash only",
            config.appeal, config.appeal_time
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
