//! The order of the phases of an ordinary transaction.

use tycho_executor::ExecutorState;
use tycho_executor::phase::{
    ActionPhaseContext, BouncePhaseContext, ReceivedMessage, StoragePhaseContext,
};
use tycho_types::models::{
    AccountState, AccountStatus, AccountStatusChange, ActionPhase, BouncePhase, BounceReason,
    ComputePhase, CreditPhase, NewBounceComputePhaseInfo, OrdinaryTxInfo, StoragePhase,
};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use super::compute::{self, Computed};
use super::{ExecuteError, Inbound};

/// The action phase and what follows from it.
struct Acted {
    phase: ActionPhase,
    fine: Tokens,
    bounce: bool,
}

/// Runs all phases.
pub(super) fn run<'a>(
    mut exec: ExecutorState<'a>,
    kind: Inbound,
    message: Cell,
) -> Result<(ExecutorState<'a>, OrdinaryTxInfo), ExecuteError> {
    let external = kind == Inbound::External;
    let mut msg = match exec.receive_in_msg(message) {
        Ok(msg) if msg.is_external == external => msg,
        Ok(_) => return Err(ExecuteError::Fatal("not the expected kind of message".to_owned())),
        Err(_) if external => {
            return Err(ExecuteError::NotAccepted { exit_code: None, gas_used: 0 });
        }
        Err(error) => return Err(ExecuteError::fatal(error)),
    };
    let (storage_phase, credit_phase) = storage_and_credit(&mut exec, &mut msg)?;
    if storage_phase.status_change == AccountStatusChange::Frozen {
        freeze(&mut exec)?;
    }
    let computed = compute::run(&mut exec, &msg, storage_phase.storage_fees_collected)
        .map_err(ExecuteError::fatal)?;
    if external && !computed.accepted {
        return Err(ExecuteError::NotAccepted {
            exit_code: computed.exit_code,
            gas_used: computed.gas_used,
        });
    }
    let compute_phase = computed.phase.clone();
    let acted = act(&mut exec, &mut msg, computed)?;
    let bounce_phase = bounce(&mut exec, &msg, &compute_phase, acted.as_ref())?;
    let destroyed = acted.is_some() && exec.end_status == AccountStatus::NotExists;
    let aborted = !acted.as_ref().is_some_and(|acted| acted.phase.success);
    let info = OrdinaryTxInfo {
        credit_first: !msg.bounce_enabled,
        storage_phase: Some(storage_phase),
        credit_phase,
        compute_phase,
        action_phase: acted.map(|acted| acted.phase),
        aborted,
        bounce_phase,
        destroyed,
    };
    Ok((exec, info))
}

/// A message that can bounce brings its value only after the storage has been paid for.
fn storage_and_credit(
    exec: &mut ExecutorState<'_>,
    msg: &mut ReceivedMessage,
) -> Result<(StoragePhase, Option<CreditPhase>), ExecuteError> {
    let credit = |exec: &mut ExecutorState<'_>, msg: &ReceivedMessage| {
        if msg.is_external {
            return Ok(None);
        }
        exec.credit_phase(msg).map(Some).map_err(ExecuteError::fatal)
    };
    let storage = |exec: &mut ExecutorState<'_>, msg: &mut ReceivedMessage, adjust| {
        exec.storage_phase(StoragePhaseContext {
            adjust_msg_balance: adjust,
            received_message: Some(msg),
            inspector: None,
        })
        .map_err(ExecuteError::fatal)
    };
    if msg.bounce_enabled {
        let storage_phase = storage(exec, msg, false)?;
        Ok((storage_phase, credit(exec, msg)?))
    } else {
        let credit_phase = credit(exec, msg)?;
        Ok((storage(exec, msg, true)?, credit_phase))
    }
}

/// A frozen account keeps only the hash of its state, from here on.
fn freeze(exec: &mut ExecutorState<'_>) -> Result<(), ExecuteError> {
    if let AccountState::Active(init) = &exec.state {
        let cell = CellBuilder::build_from(init).map_err(ExecuteError::fatal)?;
        exec.state = AccountState::Frozen(*cell.repr_hash());
    }
    Ok(())
}

fn act(
    exec: &mut ExecutorState<'_>,
    msg: &mut ReceivedMessage,
    computed: Computed,
) -> Result<Option<Acted>, ExecuteError> {
    let ComputePhase::Executed(compute_phase) = &computed.phase else { return Ok(None) };
    if !compute_phase.success {
        return Ok(None);
    }
    let result = exec
        .action_phase(ActionPhaseContext {
            received_message: Some(msg),
            original_balance: computed.original_balance,
            new_state: computed.new_state,
            actions: computed.actions,
            compute_phase,
            inspector: None,
        })
        .map_err(ExecuteError::fatal)?;
    let mut phase = result.action_phase;
    // Zero is not stored.
    phase.result_arg = phase.result_arg.filter(|arg| *arg != 0);
    Ok(Some(Acted {
        phase,
        fine: result.action_fine,
        bounce: result.bounce || result.state_exceeds_limits,
    }))
}

fn bounce(
    exec: &mut ExecutorState<'_>,
    msg: &ReceivedMessage,
    compute_phase: &ComputePhase,
    acted: Option<&Acted>,
) -> Result<Option<BouncePhase>, ExecuteError> {
    let computed = matches!(compute_phase, ComputePhase::Executed(phase) if phase.success);
    if !msg.bounce_enabled || (computed && !acted.is_some_and(|acted| acted.bounce)) {
        return Ok(None);
    }
    let reason = match (acted, compute_phase) {
        (Some(acted), _) => {
            BounceReason::ActionPhaseFailed { result_code: acted.phase.result_code }
        }
        (None, ComputePhase::Executed(phase)) => {
            BounceReason::ComputePhaseFailed { exit_code: phase.exit_code }
        }
        (None, ComputePhase::Skipped(skipped)) => BounceReason::ComputePhaseSkipped(skipped.reason),
    };
    let (gas_fees, compute_phase_info) = match compute_phase {
        ComputePhase::Executed(phase) => (
            phase.gas_fees,
            Some(NewBounceComputePhaseInfo {
                gas_used: phase.gas_used.into_inner().try_into().unwrap_or(u32::MAX),
                vm_steps: phase.vm_steps,
            }),
        ),
        ComputePhase::Skipped(_) => (Tokens::ZERO, None),
    };
    let mut phase = exec
        .bounce_phase(BouncePhaseContext {
            gas_fees,
            action_fine: acted.map_or(Tokens::ZERO, |acted| acted.fine),
            received_message: msg,
            reason,
            compute_phase_info,
        })
        .map_err(ExecuteError::fatal)?;
    if let BouncePhase::NoFunds(no_funds) = &mut phase {
        // The whole fee is what would have been needed, not what is missing.
        let masterchain = exec.address.is_masterchain();
        let prices = exec.config.fwd_prices(masterchain);
        no_funds.req_fwd_fees = prices.compute_fwd_fee(tycho_types::cell::CellTreeStats {
            bit_count: no_funds.msg_size.bits.into_inner(),
            cell_count: no_funds.msg_size.cells.into_inner(),
        });
    }
    Ok(Some(phase))
}
