//! The compute phase: which state a contract runs with, and running it.

use tycho_executor::ExecutorState;
use tycho_executor::phase::{MsgStateInit, ReceivedMessage};
use tycho_types::cell::Cell;
use tycho_types::dict::Dict;
use tycho_types::models::{
    AccountState, AccountStatus, ComputeGasParams, ComputePhase, ComputePhaseSkipReason,
    CurrencyCollection, ExecutedComputePhase, SimpleLib, SkippedComputePhase, StateInit,
};
use tycho_types::num::{Tokens, VarUint24, VarUint56};
use tycho_types::prelude::*;
use tycho_vm::{CommittedState, GasParams, OwnedCellSlice, RcStackValue, SafeRc, Stack, VmState};

use super::receive::Received;
use crate::c7::{ContractInfo, VM_VERSION, account_seed, address_slice};
use crate::cells::{CellCounter, MAX_MERKLE_DEPTH};
use crate::machine;

/// So many first bits of an address may differ from the state's hash, if the state says so.
const MAX_FIXED_PREFIX_LENGTH: u8 = 8;

pub(super) type Libraries = Dict<HashBytes, SimpleLib>;

/// The compute phase and what the following phases need of it.
pub(super) struct Computed {
    pub(super) phase: ComputePhase,
    /// Whether the message was accepted, even if it failed afterwards.
    pub(super) accepted: bool,
    /// The balance without the message's value.
    pub(super) original_balance: CurrencyCollection,
    /// The state the contract ran with.
    pub(super) state: StateInit,
    /// Its new data.
    pub(super) data: Option<Cell>,
    pub(super) actions: Cell,
    /// Exit code of the VM, if it ran.
    pub(super) exit_code: Option<i32>,
    /// All gas used, paid or not.
    pub(super) gas_used: u64,
}

/// The state to run with.
struct Prepared {
    state: StateInit,
    /// Libraries of the message that count though its state does not.
    message_libraries: Option<Libraries>,
    /// The account gets its state from the message.
    from_message: bool,
}

/// Runs the phase.
pub(super) fn run(
    exec: &mut ExecutorState<'_>,
    received: &Received,
    storage_fees: Tokens,
) -> anyhow::Result<Computed> {
    let msg = &received.msg;
    let mut original_balance = exec.balance.clone();
    original_balance.try_sub_assign(&msg.balance_remaining)?;
    let mut computed = Computed {
        phase: skipped(ComputePhaseSkipReason::NoGas),
        accepted: false,
        original_balance,
        state: StateInit::default(),
        data: None,
        actions: Cell::empty_cell(),
        exit_code: None,
        gas_used: 0,
    };
    let gas = gas_params(exec, msg);
    if exec.balance.tokens.is_zero() || (gas.limit == 0 && gas.credit == 0) {
        return Ok(computed);
    }
    match prepare(exec, msg) {
        Ok(prepared) => execute(exec, received, storage_fees, gas, prepared, computed),
        Err(reason) => {
            computed.phase = skipped(reason);
            Ok(computed)
        }
    }
}

fn skipped(reason: ComputePhaseSkipReason) -> ComputePhase {
    ComputePhase::Skipped(SkippedComputePhase { reason })
}

fn gas_params(exec: &ExecutorState<'_>, msg: &ReceivedMessage) -> GasParams {
    let prices = exec.config.gas_prices(exec.address.is_masterchain());
    let computed = prices.compute_gas_params(ComputeGasParams {
        account_balance: &exec.balance.tokens,
        message_balance: &msg.balance_remaining.tokens,
        is_special: exec.is_special,
        is_tx_ordinary: true,
        is_in_msg_external: msg.is_external,
    });
    GasParams {
        max: computed.max,
        limit: computed.limit,
        credit: computed.credit,
        price: prices.gas_price,
    }
}

/// Chooses the state to run with, or says why there is none.
fn prepare(
    exec: &ExecutorState<'_>,
    msg: &ReceivedMessage,
) -> Result<Prepared, ComputePhaseSkipReason> {
    let deleted = exec.end_status == AccountStatus::NotExists;
    // Frozen by this very transaction: the message cannot bring the state back at once.
    let just_frozen =
        exec.end_status == AccountStatus::Frozen && exec.orig_status != AccountStatus::Frozen;
    match (&exec.state, &msg.init) {
        (AccountState::Active(state), None) => {
            Ok(Prepared { state: state.clone(), message_libraries: None, from_message: false })
        }
        (AccountState::Active(state), Some(init)) => {
            if msg.is_external && init.root_hash() != &exec.address.address {
                return Err(ComputePhaseSkipReason::BadState);
            }
            Ok(Prepared {
                state: state.clone(),
                message_libraries: Some(init.parsed.libraries.clone()),
                from_message: false,
            })
        }
        (AccountState::Uninit, Some(init)) if !deleted => from_message(exec, init),
        (AccountState::Frozen(hash), Some(init))
            if !deleted && !just_frozen && hash == init.root_hash() =>
        {
            from_message(exec, init)
        }
        (_, Some(_)) => Err(ComputePhaseSkipReason::BadState),
        (_, None) => Err(ComputePhaseSkipReason::NoState),
    }
}

fn from_message(
    exec: &ExecutorState<'_>,
    init: &MsgStateInit,
) -> Result<Prepared, ComputePhaseSkipReason> {
    let state = &init.parsed;
    let uninit = matches!(exec.state, AccountState::Uninit);
    let prefix = state.split_depth.map_or(0, |depth| depth.into_bit_len() as u8);
    let libraries =
        if uninit { PublicLibraries::Forbidden } else { PublicLibraries::Changed(None) };
    let prefix_fits = if uninit {
        prefix <= MAX_FIXED_PREFIX_LENGTH && same_after(exec, init, prefix)
    } else {
        // A frozen account's address is as long as it was.
        prefix == 0
    };
    let fits = prefix_fits && fits_limits(exec, state, libraries);
    if !fits {
        return Err(ComputePhaseSkipReason::BadState);
    }
    Ok(Prepared { state: state.clone(), message_libraries: None, from_message: true })
}

/// Whether the state's hash is the address but for the first `prefix` bits.
fn same_after(exec: &ExecutorState<'_>, init: &MsgStateInit, prefix: u8) -> bool {
    let pairs = init.root_hash().as_slice().iter().zip(exec.address.address.as_slice());
    pairs.enumerate().all(|(index, (left, right))| {
        let skip = usize::from(prefix).saturating_sub(index * 8).min(8);
        let mask = 0xff_u16 >> skip;
        u16::from(left ^ right) & mask == 0
    })
}

/// What a masterchain account may have of public libraries.
#[derive(Debug, Clone, Copy)]
pub(super) enum PublicLibraries<'a> {
    /// None, when it is deployed.
    Forbidden,
    /// As many as the network allows, unless they are those it had.
    Changed(Option<&'a Libraries>),
}

/// Whether a state may be given to an account.
pub(super) fn fits_limits(
    exec: &ExecutorState<'_>,
    state: &StateInit,
    libraries: PublicLibraries<'_>,
) -> bool {
    let mut counter = CellCounter::default();
    let roots = [state.code.as_ref(), state.data.as_ref(), state.libraries.root().as_ref()];
    for root in roots.into_iter().flatten() {
        if counter.add(root.as_ref()) > MAX_MERKLE_DEPTH {
            return false;
        }
    }
    let limits = &exec.config.size_limits;
    if counter.cell_count() > u64::from(limits.max_acc_state_cells) {
        return false;
    }
    if !exec.address.is_masterchain() {
        return true;
    }
    let allowed = match libraries {
        PublicLibraries::Changed(Some(before)) if *before == state.libraries => return true,
        PublicLibraries::Forbidden => 0,
        PublicLibraries::Changed(_) => limits.max_acc_public_libraries as usize,
    };
    let public = state.libraries.values().filter(|lib| lib.as_ref().is_ok_and(|lib| lib.public));
    public.count() <= allowed
}

fn initial_stack(exec: &ExecutorState<'_>, msg: &ReceivedMessage) -> SafeRc<Stack> {
    let int =
        |value: u128| -> RcStackValue { SafeRc::new_dyn_value(num_bigint::BigInt::from(value)) };
    SafeRc::new(Stack::with_items(vec![
        int(exec.balance.tokens.into_inner()),
        int(msg.balance_remaining.tokens.into_inner()),
        SafeRc::new_dyn_value(msg.root.clone()),
        SafeRc::new_dyn_value(OwnedCellSlice::from(msg.body.clone())),
        Stack::make_bool(msg.is_external),
    ]))
}

fn execute(
    exec: &mut ExecutorState<'_>,
    received: &Received,
    storage_fees: Tokens,
    gas: GasParams,
    prepared: Prepared,
    mut computed: Computed,
) -> anyhow::Result<Computed> {
    let msg = &received.msg;
    let Prepared { state, message_libraries, from_message } = prepared;
    let info = ContractInfo {
        now: exec.params.block_unixtime,
        block_lt: exec.params.block_lt,
        tx_lt: exec.start_lt,
        seed: account_seed(&exec.params.rand_seed, &exec.address.address),
        address: address_slice(&exec.address.clone().into())?,
        balance: &exec.balance,
        config: exec.config,
        code: state.code.clone(),
        message_balance: &msg.balance_remaining,
        storage_fees: storage_fees.into_inner(),
        due_payment: exec.storage_stat.due_payment.unwrap_or_default().into_inner(),
        in_msg: received.info().into_tuple(),
    };
    let libraries = (message_libraries, &state.libraries, &exec.params.libraries);
    let mut vm = VmState::builder()
        .with_smc_info(info.build())
        .with_version(VM_VERSION)
        .with_code(state.code.clone())
        .with_data(state.data.clone().unwrap_or_default())
        .with_libraries(&libraries)
        .with_init_selector(false)
        .with_raw_stack(initial_stack(exec, msg))
        .with_gas(gas)
        .with_modifiers(exec.params.vm_modifiers)
        .build();
    let exit_code = !machine::run(&mut vm);

    let consumed = vm.gas.consumed();
    computed.exit_code = Some(exit_code);
    computed.gas_used = consumed.saturating_add(vm.gas.free_gas_consumed());
    computed.accepted = vm.gas.credit() == 0;
    let committed = vm.committed_state.take();
    let success = computed.accepted && committed.is_some();
    let gas_used = consumed.min(vm.gas.limit());
    let gas_fees = if computed.accepted && !exec.is_special {
        exec.config.gas_prices(exec.address.is_masterchain()).compute_gas_fee(gas_used)
    } else {
        Tokens::ZERO
    };
    let exit_arg = if success { None } else { vm.stack.get_exit_arg().filter(|arg| *arg != 0) };
    let vm_steps = u32::try_from(vm.steps).unwrap_or(u32::MAX);
    drop(vm);

    computed.state = state;
    if computed.accepted && from_message {
        exec.end_status = AccountStatus::Active;
        exec.state = AccountState::Active(computed.state.clone());
    }
    if let Some(CommittedState { c4, c5 }) = committed
        && success
    {
        computed.data = Some(c4);
        computed.actions = c5;
    }
    exec.balance.try_sub_assign_tokens(gas_fees)?;
    exec.total_fees.try_add_assign(gas_fees)?;
    computed.phase = ComputePhase::Executed(ExecutedComputePhase {
        success,
        // The reference never sets these two.
        msg_state_used: false,
        account_activated: false,
        gas_fees,
        gas_used: VarUint56::new(gas_used),
        gas_limit: VarUint56::new(gas.limit),
        gas_credit: (gas.credit != 0).then(|| VarUint24::new(gas.credit as u32)),
        mode: 0,
        exit_code,
        exit_arg,
        vm_steps,
        vm_init_state_hash: HashBytes::ZERO,
        vm_final_state_hash: HashBytes::ZERO,
    });
    Ok(computed)
}
