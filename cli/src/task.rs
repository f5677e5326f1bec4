//! `fog task`.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use fog_protocol::{
    Durations, Hash32, JournalStart, Nano, PublicInput, RATE_ONE, Rail, TaskId, TaskStatus,
    api::TaskView,
};
use fog_requestor::{
    Draft, DraftPolicy, DraftProgram, NodeClient, Openings, Prepared, Requestor, RequestorError,
};
use fog_verifier::groth16::{MAX_KEY_BYTES, curve_named};
use serde::Serialize;

use crate::{
    account,
    args::{PolicyName, PostArgs, RailName, TaskArgs, TaskCommand},
    chain, challenge, escrow,
    evidence::{self, Wanted},
    files,
    jetton::{Money, Prices},
    keys,
    output::{Output, exit_with, failed, table, usage},
    receipt,
    settings::Settings,
    strategy,
};

const MAX_MODULE: u64 = 64 << 20;
const MAX_INPUT: u64 = 64 << 20;
const POLL: Duration = Duration::from_millis(300);

pub(crate) async fn task(
    args: TaskArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        TaskCommand::Post(args) => post(*args, settings, output).await,
        TaskCommand::Ls { limit } => ls(limit, settings, output).await,
        TaskCommand::Show { id } => {
            let view = find(&connect(settings).await?, &id).await?;
            let prices = Prices::of(std::iter::once(&view.listing), settings).await;
            output.document(&view, || describe(&view, &prices))?;
            Ok(ExitCode::SUCCESS)
        }
        TaskCommand::Watch { id } => watch(&id, settings, output).await,
        TaskCommand::Result { id, out, raw } => {
            let requestor = requestor(settings).await?;
            let view = find(&requestor.node, &id).await?;
            let bytes = verified(&requestor, &view).await?;
            let bytes = if raw { bytes } else { strategy::plain(&view, bytes, output) };
            match out {
                Some(path) => files::write(&path, &bytes)?,
                None => output.raw(&bytes)?,
            }
            acknowledge(&requestor, &view, settings, output).await?;
            Ok(ExitCode::SUCCESS)
        }
        TaskCommand::Chunk { id, index, out } => {
            let requestor = requestor(settings).await?;
            let view = find(&requestor.node, &id).await?;
            let bytes = verified(&requestor, &view).await?;
            strategy::write_chunk(&view, &bytes, index, &out, output)
        }
        TaskCommand::Evidence { id, hash, out, files } => {
            let wanted = match (id, hash) {
                (_, Some(hash)) => Wanted::Evidence(hash),
                (Some(id), None) => Wanted::Task(id),
                (None, None) => return Err(usage("of what? give the task, or --hash")),
            };
            evidence::write(&wanted, &out, &files, settings, output).await
        }
        TaskCommand::Receipt { id } => receipt::receipt(&id, settings, output).await,
        TaskCommand::Challenge { id, evidence } => {
            challenge::challenge(&id, &evidence, settings, output).await
        }
        TaskCommand::Claim { task, to } => escrow::claim(task, to, settings, output).await,
        TaskCommand::Close { task } => escrow::close(task, settings, output).await,
        TaskCommand::Cancel { task } => escrow::cancel(task, settings, output).await,
    }
}

pub(crate) async fn connect(settings: &Settings) -> anyhow::Result<NodeClient> {
    Ok(NodeClient::connect(&settings.node).await?)
}

pub(crate) async fn requestor(settings: &Settings) -> anyhow::Result<Requestor> {
    // The node first: asking for a password to then say that nobody answers is rude.
    let node = connect(settings).await?;
    let chain = chain::connect(settings)?;
    let wallet = keys::unlock(settings, &chain).await?;
    let openings = Openings::in_folder(settings.openings.clone());
    Ok(Requestor { node, chain, wallet, openings })
}

pub(crate) async fn find(node: &NodeClient, id: &TaskId) -> anyhow::Result<TaskView> {
    let view = node.task(id).await.map_err(|error| {
        if error.is_not_found() {
            anyhow::anyhow!("this node knows no task {id}: `fog task ls` lists those it knows")
        } else {
            error.into()
        }
    })?;
    // The id is the hash of what the listing says, its jetton and amount too.
    anyhow::ensure!(view.listing.id() == *id, "the node answers with another task than {id}");
    Ok(view)
}

/// Largest verifying key of a circuit.
const MAX_CIRCUIT_KEY: u64 = 4 << 10;

fn draft(args: &PostArgs, rail: Rail) -> anyhow::Result<Draft> {
    // In a jetton the listing's cap is what guarantees the price.
    let price = match args.guarantee {
        Some(guarantee) => guarantee,
        None => args.price.parse::<Nano>()?,
    };
    let program = match (&args.module, &args.zkey, &args.witness) {
        (None, None, _) if args.elf.is_some() => {
            let elf = args.elf.as_deref().context("--elf is missing")?;
            let vm = args.zkvm.context("--zkvm is missing")?;
            DraftProgram::ZkVm(vm, files::read(elf, MAX_MODULE)?)
        }
        (None, None, _) if args.circuit.is_some() => {
            let key = args.circuit.as_deref().context("--circuit is missing")?;
            DraftProgram::Circuit(files::read(key, MAX_CIRCUIT_KEY)?)
        }
        (Some(module), None, _) => DraftProgram::Wasi(files::read(module, MAX_MODULE)?),
        (None, Some(zkey), Some(witness)) => {
            DraftProgram::Circom(files::read(zkey, MAX_MODULE)?, files::read(witness, MAX_MODULE)?)
        }
        _ => bail!("give either --module, or --zkey with --witness, or --circuit, or --elf"),
    };
    let rate = args.audit_rate.unwrap_or(if rail.has_contract() { 0.05 } else { 1.0 });
    let rate_ppm = (rate * f64::from(RATE_ONE)).round() as u32;
    let policy = match (args.policy, args.strategy.policy(args.policy, rate_ppm)?) {
        (_, Some(policy)) => policy,
        (PolicyName::Groth16, None) => {
            let key = args.verification_key.as_deref().context("--verification-key is missing")?;
            let key = files::read(key, MAX_KEY_BYTES as u64)?;
            let curve = args.curve.map(Into::into).or_else(|| curve_named(&key));
            let curve = curve.context(
                "the verification key names neither BN254 nor BLS12-381: say which it is over with \
                 --curve bn254 or --curve bls12-381",
            )?;
            let publics = args.publics.iter().map(|text| public_input(text)).collect();
            DraftPolicy::Groth16(curve, key, publics)
        }
        (PolicyName::Proof, None) => DraftPolicy::Proof,
        (PolicyName::Receipt, None) => {
            let start = match args.any_receipt {
                true => JournalStart::Anything,
                false => JournalStart::Binding,
            };
            DraftPolicy::Receipt(args.program_id.context("--program-id is missing")?, start)
        }
        (_, None) => DraftPolicy::Replay(rate_ppm),
    };
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(Draft {
        program,
        input: files::read(&args.input, MAX_INPUT)?,
        limits: args.limits.limits(),
        price,
        policy,
        durations: durations(args.deadline, args.window)?,
        salt: Hash32(salt),
        rail,
    })
}

/// How the task is paid, and out of which account.
async fn rail(args: &PostArgs, settings: &Settings) -> anyhow::Result<Rail> {
    match (args.rail, args.jetton) {
        (RailName::Escrow, None) => Ok(Rail::Escrow),
        (RailName::Escrow, Some(master)) => {
            let money = Money::of(&chain::connect(settings)?, &master, args.decimals).await?;
            Ok(Rail::Jetton { master, units: money.parse(&args.price)? })
        }
        (RailName::Account, Some(_)) => bail!(
            "tasks on the account rail are paid in GRAM: vouchers in a jetton are signed with `fog \
             account`, by both sides' hand"
        ),
        (RailName::Account, None) => {
            anyhow::ensure!(
                !args.no_pay,
                "--no-pay is for escrows: an account is paid into before"
            );
            let account = args.account.or(settings.account).context(
                "which account? `fog account open AMOUNT --cap CAP` opens one at the node; name it \
                 with --account, FOG_ACCOUNT or `account` in fog.toml",
            )?;
            Ok(Rail::Account { account })
        }
    }
}

/// Signs for what the account owes, if the task is paid from one: after looking at every new entry.
async fn acknowledge(
    requestor: &Requestor,
    view: &TaskView,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<()> {
    let Rail::Account { account } = view.listing.rail else { return Ok(()) };
    let Requestor { node, chain, wallet, .. } = requestor;
    let vouched = account::acknowledge(node, chain, &wallet.key, &account, settings).await?;
    if let Some(voucher) = vouched {
        let (total, count) = (voucher.total_nano, voucher.count);
        output.note(&format!("vouched for {total} in all, {count} tasks"));
    }
    Ok(())
}

fn public_input(text: &str) -> PublicInput {
    match text {
        "binding" => PublicInput::Binding,
        "free" => PublicInput::Free,
        number => PublicInput::Fixed(number.to_owned()),
    }
}

/// A quarter of the time for finding a worker, half for the work, a quarter for verifying it.
fn durations(deadline: Duration, window: Duration) -> anyhow::Result<Durations> {
    let seconds = u32::try_from(deadline.as_secs()).context("the deadline is too far away")?;
    anyhow::ensure!(seconds >= 20, "the deadline is too short: give a task at least 20s");
    let window = u32::try_from(window.as_secs()).context("the window is too long")?;
    let quarter = seconds / 4;
    Ok(Durations { bid: quarter, commit: seconds - 2 * quarter, verdict: quarter, window })
}

#[derive(Serialize)]
struct ToPay {
    task: TaskId,
    escrow: String,
    amount_nano: u64,
    link: String,
}

async fn post(args: PostArgs, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let draft = draft(&args, rail(&args, settings).await?)?;
    let requestor = requestor(settings).await?;
    if args.policy == PolicyName::Redundant {
        anyhow::ensure!(!args.no_pay, "--no-pay is for one task: copies are paid together");
        let copies = requestor.post_copies(draft, args.strategy.copies).await?;
        return copied(&args, &requestor, &copies, settings, output).await;
    }
    let prepared = requestor.post(draft).await?;
    if args.no_pay {
        return to_pay(&requestor, &prepared, output);
    }
    pay(&requestor, std::slice::from_ref(&prepared), settings, output).await?;
    if !args.wait && args.out.is_none() {
        let view = find(&requestor.node, &prepared.task).await?;
        output.document(&view, || prepared.task.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let view = follow(&requestor, &prepared.task, output).await?;
    if let (TaskStatus::Paid, Some(out)) = (view.status, &args.out) {
        let bytes = requestor.result(&view).await?;
        files::write(out, &strategy::plain(&view, bytes, output))?;
    }
    if view.status == TaskStatus::Paid {
        acknowledge(&requestor, &view, settings, output).await?;
    }
    end(&view, settings, output).await
}

async fn pay(
    requestor: &Requestor,
    prepared: &[Prepared],
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<()> {
    let escrowed: Vec<_> =
        prepared.iter().filter(|task| task.listing.rail.has_contract()).cloned().collect();
    if !escrowed.is_empty() {
        requestor.fund(&escrowed).await?;
    }
    let prices = Prices::of(prepared.iter().map(|task| &task.listing), settings).await;
    for Prepared { task, escrow, listing, .. } in prepared {
        let paid_from = match listing.rail {
            Rail::Escrow | Rail::Jetton { .. } => format!("escrow {escrow}"),
            Rail::Account { account } => format!("account {account}"),
        };
        let most = prices.shown(listing, listing.price_cap);
        output.note(&format!("posted {task}\n  {paid_from}\n  at most {most}"));
    }
    Ok(())
}

/// Pays copies, and follows them to their ends; the first that is paid has the result.
async fn copied(
    args: &PostArgs,
    requestor: &Requestor,
    copies: &[Prepared],
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    pay(requestor, copies, settings, output).await?;
    let waits = args.wait || args.out.is_some();
    let mut views = Vec::new();
    if waits {
        let ends = copies.iter().map(|copy| follow(requestor, &copy.task, output));
        for view in futures_util::future::join_all(ends).await {
            views.push(view?);
        }
    } else {
        for copy in copies {
            views.push(find(&requestor.node, &copy.task).await?);
        }
    }
    let paid = views.iter().find(|view| view.status == TaskStatus::Paid);
    if let (Some(view), Some(out)) = (paid, &args.out) {
        files::write(out, &requestor.result(view).await?)?;
    }
    for view in views.iter().filter(|view| view.status == TaskStatus::Paid) {
        acknowledge(requestor, view, settings, output).await?;
    }
    let done = !waits || paid.is_some();
    output.document(&views, || {
        let lines = views.iter().map(|view| format!("{} {}", view.id, view.status));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(if done { ExitCode::SUCCESS } else { failed() })
}

fn to_pay(requestor: &Requestor, prepared: &Prepared, output: &Output) -> anyhow::Result<ExitCode> {
    let payment = requestor.payment(prepared)?;
    let mut link =
        fog_wallet::TransferLink::new(prepared.escrow, fog_protocol::AddressForm::TestBounceable);
    link.amount = Some(payment.value);
    link.body = Some(payment.body);
    link.init = payment
        .state_init
        .map(tycho_types::cell::CellBuilder::build_from)
        .transpose()
        .map_err(|error| anyhow::anyhow!("the StateInit does not fit into a cell: {error}"))?;
    let to_pay = ToPay {
        task: prepared.task,
        escrow: prepared.escrow.to_string(),
        amount_nano: payment.value.get(),
        link: link.to_string(),
    };
    output.document(&to_pay, || {
        format!("{}\npay {} with:\n{}", to_pay.task, payment.value, to_pay.link)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Follows one's own task to its end, opening its nonce when it is time.
pub(crate) async fn follow(
    requestor: &Requestor,
    id: &TaskId,
    output: &Output,
) -> anyhow::Result<TaskView> {
    let mut shown = 0;
    let mut opened = false;
    loop {
        let view = find(&requestor.node, id).await?;
        show_steps(&view, &mut shown, output);
        if view.status.is_terminal() {
            return Ok(view);
        }
        let own = view.listing.requestor_key == requestor.wallet.key.public();
        if own && !opened {
            match requestor.open_nonce_when_due(&view).await {
                Ok(done) => opened = done,
                // The task went on since it was looked at.
                Err(RequestorError::Node(error)) if error.is_conflict() => {}
                Err(error @ RequestorError::Opening(_)) => {
                    output.note(&format!("  {error}"));
                    opened = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = tokio::signal::ctrl_c() => {
                bail!("stopped watching; the task goes on: `fog task watch {id}`")
            }
        }
    }
}

fn show_steps(view: &TaskView, shown: &mut usize, output: &Output) {
    for step in view.history.iter().skip(*shown) {
        output.note(&format!("  {:14} {}", step.status, step.note));
    }
    *shown = view.history.len();
}

async fn watch(id: &TaskId, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let node = connect(settings).await?;
    let view = find(&node, id).await?;
    let ours = view.requestor_is_here(settings);
    if ours && !view.status.is_terminal() {
        let chain = chain::connect(settings)?;
        let wallet = keys::unlock(settings, &chain).await?;
        let openings = Openings::in_folder(settings.openings.clone());
        let requestor = Requestor { node, chain, wallet, openings };
        let view = follow(&requestor, id, output).await?;
        if view.status == TaskStatus::Paid {
            acknowledge(&requestor, &view, settings, output).await?;
        }
        return end(&view, settings, output).await;
    }
    let mut shown = 0;
    loop {
        let view = find(&node, id).await?;
        show_steps(&view, &mut shown, output);
        if view.status.is_terminal() {
            return end(&view, settings, output).await;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Whether the wallet in the settings posted a task: then its nonce can be opened here.
trait Ownership {
    fn requestor_is_here(&self, settings: &Settings) -> bool;
}

impl Ownership for TaskView {
    fn requestor_is_here(&self, settings: &Settings) -> bool {
        crate::wallet::selected(settings).is_ok_and(|wallet| wallet == self.listing.requestor)
    }
}

async fn end(view: &TaskView, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let prices = Prices::of(std::iter::once(&view.listing), settings).await;
    output.document(view, || describe(view, &prices))?;
    Ok(if view.status == TaskStatus::Paid { ExitCode::SUCCESS } else { failed() })
}

async fn verified(requestor: &Requestor, view: &TaskView) -> anyhow::Result<Vec<u8>> {
    if view.result_hash.is_none() {
        return Err(exit_with(
            1,
            match &view.given_up {
                Some(said) => format!(
                    "task {} is {}: it has no verified result; {said} (nobody checked that)",
                    view.id, view.status
                ),
                None => {
                    format!("task {} is {}: it has no verified result", view.id, view.status)
                }
            },
        ));
    }
    Ok(requestor.result(view).await?)
}

async fn ls(limit: u16, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let page = connect(settings).await?.tasks(limit, None).await?;
    let prices = Prices::of(page.tasks.iter().map(|task| &task.listing), settings).await;
    output.document(&page, || {
        if page.tasks.is_empty() {
            return "no tasks yet: `fog task post` posts one".to_owned();
        }
        let mut table = table(["TASK", "STATUS", "POLICY", "PRICE", "WORKER"]);
        for task in &page.tasks {
            table.add_row([
                task.id.to_string(),
                task.status.to_string(),
                task.listing.policy.name().to_owned(),
                prices.shown(&task.listing, task.price.unwrap_or(task.listing.price_cap)),
                task.worker.map(|worker| worker.to_string()).unwrap_or_default(),
            ]);
        }
        table.to_string()
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn describe(view: &TaskView, prices: &Prices) -> String {
    let mut lines = vec![
        format!("task      {}", view.id),
        format!("status    {}", view.status),
        format!("policy    {}", view.listing.policy.name()),
        match view.listing.rail {
            Rail::Escrow | Rail::Jetton { .. } => format!("escrow    {}", view.escrow),
            Rail::Account { account } => format!("account   {account}"),
        },
        format!(
            "price     {} (at most {})",
            shown(view.price.map(|price| prices.shown(&view.listing, price))),
            prices.shown(&view.listing, view.listing.price_cap)
        ),
        format!("worker    {}", shown(view.worker)),
        format!("reserve   {}", shown(view.reserve)),
    ];
    if let Some((master, _)) = view.listing.rail.jetton() {
        lines.push(format!("jetton    {master} (names are free: the master is what counts)"));
        let whole = view.price.unwrap_or(view.listing.price_cap);
        lines.push(format!("guarantee {whole}, in stake and bond"));
    }
    if let Some(verdict) = &view.verdict {
        lines.push(format!("verdict   {}: {}", verdict.verdict, verdict.reason));
        lines.push(format!("evidence  {}", verdict.evidence));
    }
    if let Some(exit) = view.exit {
        lines.push(format!("ended     {exit}"));
    }
    if let Some(recheck) = &view.recheck {
        lines.push(format!("later     {}", receipt::again(recheck, view.status)));
    }
    if let (Some(hash), Some(bytes)) = (view.result_hash, view.result_bytes) {
        lines.push(format!("result    {bytes} bytes, sha256 {hash}"));
    }
    for refusal in &view.refusals {
        lines.push(format!("refused   {}: {}", refusal.worker, refusal.reason));
    }
    if let Some(given_up) = &view.given_up {
        lines.push(format!("given up  {given_up} (nobody checked that)"));
    }
    for step in &view.history {
        lines.push(format!("  {:14} {}", step.status, step.note));
    }
    for tx in &view.transactions {
        lines.push(format!("  tx {:10} {}", tx.kind, tx.hash));
    }
    lines.join("\n")
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
