//! A transaction's phases in the v3 dialect.

use serde_json::{Map, Value, json};
use tycho_types::models::{
    AccountStatus, AccountStatusChange, ActionPhase, BouncePhase, ComputePhase,
    ComputePhaseSkipReason, OrdinaryTxInfo, StorageUsedShort, TxInfo,
};

use crate::toncenter::address::base64;

/// The indexer's word for an account's state.
pub(crate) fn status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Uninit => "uninit",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Active => "active",
        AccountStatus::NotExists => "nonexist",
    }
}

fn change(change: AccountStatusChange) -> &'static str {
    match change {
        AccountStatusChange::Unchanged => "unchanged",
        AccountStatusChange::Frozen => "frozen",
        AccountStatusChange::Deleted => "deleted",
    }
}

/// `description`: absent values are left out.
pub(crate) fn description(info: &TxInfo) -> Value {
    match info {
        TxInfo::Ordinary(info) => ordinary(info),
        TxInfo::TickTock(info) => json!({
            "type": "tick_tock",
            "aborted": info.aborted,
            "destroyed": info.destroyed,
            "compute_ph": compute(&info.compute_phase),
        }),
    }
}

fn ordinary(info: &OrdinaryTxInfo) -> Value {
    let mut fields = Map::new();
    fields.insert("type".to_owned(), "ord".into());
    fields.insert("aborted".to_owned(), info.aborted.into());
    fields.insert("destroyed".to_owned(), info.destroyed.into());
    fields.insert("credit_first".to_owned(), info.credit_first.into());
    if let Some(phase) = &info.storage_phase {
        let mut value = json!({
            "storage_fees_collected": phase.storage_fees_collected.into_inner().to_string(),
            "status_change": change(phase.status_change),
        });
        if let Some(due) = phase.storage_fees_due {
            value["storage_fees_due"] = due.into_inner().to_string().into();
        }
        fields.insert("storage_ph".to_owned(), value);
    }
    if let Some(phase) = &info.credit_phase {
        let mut value = json!({ "credit": phase.credit.tokens.into_inner().to_string() });
        if let Some(due) = phase.due_fees_collected {
            value["due_fees_collected"] = due.into_inner().to_string().into();
        }
        fields.insert("credit_ph".to_owned(), value);
    }
    fields.insert("compute_ph".to_owned(), compute(&info.compute_phase));
    if let Some(phase) = &info.action_phase {
        fields.insert("action".to_owned(), action(phase));
    }
    if let Some(phase) = &info.bounce_phase {
        fields.insert("bounce".to_owned(), bounce(phase));
    }
    Value::Object(fields)
}

fn compute(phase: &ComputePhase) -> Value {
    let phase = match phase {
        ComputePhase::Skipped(phase) => {
            let reason = match phase.reason {
                ComputePhaseSkipReason::NoState => "no_state",
                ComputePhaseSkipReason::BadState => "bad_state",
                ComputePhaseSkipReason::NoGas => "no_gas",
                ComputePhaseSkipReason::Suspended => "suspended",
            };
            return json!({ "skipped": true, "reason": reason });
        }
        ComputePhase::Executed(phase) => phase,
    };
    let mut value = json!({
        "skipped": false,
        "success": phase.success,
        "msg_state_used": phase.msg_state_used,
        "account_activated": phase.account_activated,
        "gas_fees": phase.gas_fees.into_inner().to_string(),
        "gas_used": phase.gas_used.into_inner().to_string(),
        "gas_limit": phase.gas_limit.into_inner().to_string(),
        "mode": phase.mode,
        "exit_code": phase.exit_code,
        "vm_steps": phase.vm_steps,
        "vm_init_state_hash": base64(phase.vm_init_state_hash.as_slice()),
        "vm_final_state_hash": base64(phase.vm_final_state_hash.as_slice()),
    });
    if let Some(credit) = phase.gas_credit {
        value["gas_credit"] = credit.into_inner().to_string().into();
    }
    if let Some(argument) = phase.exit_arg {
        value["exit_arg"] = argument.into();
    }
    value
}

fn action(phase: &ActionPhase) -> Value {
    let mut value = json!({
        "success": phase.success,
        "valid": phase.valid,
        "no_funds": phase.no_funds,
        "status_change": change(phase.status_change),
        "result_code": phase.result_code,
        "tot_actions": phase.total_actions,
        "spec_actions": phase.special_actions,
        "skipped_actions": phase.skipped_actions,
        "msgs_created": phase.messages_created,
        "action_list_hash": base64(phase.action_list_hash.as_slice()),
        "tot_msg_size": size(&phase.total_message_size),
    });
    if let Some(fees) = phase.total_fwd_fees {
        value["total_fwd_fees"] = fees.into_inner().to_string().into();
    }
    if let Some(fees) = phase.total_action_fees {
        value["total_action_fees"] = fees.into_inner().to_string().into();
    }
    if let Some(argument) = phase.result_arg {
        value["result_arg"] = argument.into();
    }
    value
}

fn bounce(phase: &BouncePhase) -> Value {
    match phase {
        BouncePhase::NegativeFunds => json!({ "type": "negfunds" }),
        BouncePhase::NoFunds(phase) => json!({
            "type": "nofunds",
            "msg_size": size(&phase.msg_size),
            "req_fwd_fees": phase.req_fwd_fees.into_inner().to_string(),
        }),
        BouncePhase::Executed(phase) => json!({
            "type": "ok",
            "msg_size": size(&phase.msg_size),
            "msg_fees": phase.msg_fees.into_inner().to_string(),
            "fwd_fees": phase.fwd_fees.into_inner().to_string(),
        }),
    }
}

fn size(used: &StorageUsedShort) -> Value {
    json!({
        "cells": used.cells.into_inner().to_string(),
        "bits": used.bits.into_inner().to_string(),
    })
}
