//! Components: guests with typed functions instead of streams (`wit/task.wit`).
//!
//! `execute` takes an input and gives an output; `split` cuts an input into parts that can be run
//! one by one, `merge` makes one output of theirs. What of WASI 0.2 the usual toolchains import is
//! there, closed off ([`wasi2`]); any other import is refused by name.

use borsh::{BorshDeserialize, BorshSerialize};
use wasmtime::{
    Engine, Store,
    component::{
        Component, InstancePre, Linker,
        types::{ComponentFunc, ComponentItem, Type},
    },
};

use super::{
    host::{HostState, Stop},
    outcome::{LimitKind, Refusal},
};

mod wasi2;

/// Core instances in one component, those of the toolchain's glue included.
pub(super) const MAX_INSTANCES: u32 = 40;
/// Memories in one component; their sizes count together.
pub(super) const MAX_MEMORIES: u32 = 4;
/// Tables in one component.
pub(super) const MAX_TABLES: u32 = 20;
/// Parts that an input can be split into.
const MAX_PARTS: usize = 10_000;
/// Handles to streams and the like that a guest may hold.
const MAX_HANDLES: usize = 1_000;
/// What the host may copy for a call besides the output's own bytes.
const COPY_SLACK: usize = (MAX_PARTS * size_of::<Vec<u8>>()) + (64 << 10);

/// Which function of a guest is called. A command has only [`Call::Execute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Call {
    /// Input to output: what a task is.
    Execute,
    /// Input to parts, packed by [`pack`].
    Split {
        /// How many are wanted; the guest may give fewer or more.
        parts: u32,
    },
    /// Outputs, packed by [`pack`], to one output.
    Merge,
}

impl Call {
    /// Name of the function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Split { .. } => "split",
            Self::Merge => "merge",
        }
    }
}

/// Several byte strings as one: their number, then each with its length, little-endian u32.
///
/// # Errors
/// When there are more than 10,000, or one has four gigabytes.
pub fn pack(parts: &[Vec<u8>]) -> Result<Vec<u8>, Refusal> {
    if parts.len() > MAX_PARTS {
        return Err(bad_parts("more than 10000 of them"));
    }
    borsh::to_vec(parts).map_err(|_| bad_parts("one is too large"))
}

/// The inverse of [`pack`].
///
/// # Errors
/// When the bytes are not packed parts.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let parts = borsh::from_slice::<Vec<Vec<u8>>>(bytes)
        .map_err(|_| bad_parts("not a number of parts, each with its length"))?;
    if parts.len() > MAX_PARTS {
        return Err(bad_parts("more than 10000 of them"));
    }
    Ok(parts)
}

fn bad_parts(reason: &str) -> Refusal {
    Refusal::BadParts { reason: reason.into() }
}

/// A linker with what this component imports: WASI 0.2 closed off, the rest a trap.
///
/// # Errors
/// Wasmtime's.
pub(super) fn ready(
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<InstancePre<HostState>> {
    let mut linker = Linker::new(engine);
    let ty = component.component_type();
    for (name, item) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        for (export, item) in interface.exports(engine) {
            if let ComponentItem::Resource(_) = item.ty {
                wasi2::define_resource(&mut linker.instance(name)?, export)?;
            }
        }
        wasi2::define(&mut linker, name)?;
    }
    linker.define_unknown_imports_as_traps(component)?;
    linker.instantiate_pre(component)
}

/// Whether the component has `execute`, and `split` and `merge` both or neither.
///
/// # Errors
/// [`Refusal::NoExecute`] says which is missing or has another type.
pub(super) fn check_exports(component: &Component) -> Result<(), Refusal> {
    let found = |name: &str| match component.get_export(None, name) {
        Some((ComponentItem::ComponentFunc(func), _)) => Some(func),
        _ => None,
    };
    let refuse = |reason: &str| Err(Refusal::NoExecute { reason: reason.into() });
    match found("execute") {
        Some(func) if has_type(&func, &[is_bytes], is_bytes) => {}
        Some(_) => return refuse("execute has another type"),
        None => return refuse("there is no execute"),
    }
    match (found("split"), found("merge")) {
        (None, None) => Ok(()),
        (Some(split), _) if !has_type(&split, &[is_bytes, is_u32], is_parts) => {
            refuse("split has another type")
        }
        (_, Some(merge)) if !has_type(&merge, &[is_parts], is_bytes) => {
            refuse("merge has another type")
        }
        (Some(_), Some(_)) => Ok(()),
        (Some(_), None) => refuse("there is split without merge"),
        (None, Some(_)) => refuse("there is merge without split"),
    }
}

fn has_type(func: &ComponentFunc, params: &[fn(&Type) -> bool], ok: fn(&Type) -> bool) -> bool {
    let found = func.params().map(|(_, ty)| ty).collect::<Vec<_>>();
    let results = func.results().collect::<Vec<_>>();
    let [Type::Result(result)] = results.as_slice() else { return false };
    found.len() == params.len()
        && found.iter().zip(params).all(|(ty, is)| is(ty))
        && result.ok().is_some_and(|ty| ok(&ty))
        && result.err() == Some(Type::String)
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if list.ty() == Type::U8)
}

fn is_parts(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if is_bytes(&list.ty()))
}

fn is_u32(ty: &Type) -> bool {
    *ty == Type::U32
}

/// What a call gave: output, or the guest's own words for why there is none.
pub(super) type Answer = Result<Vec<u8>, String>;

/// Makes an instance and calls one function of it, slice by slice.
///
/// # Errors
/// What ended the guest.
pub(super) async fn call(
    pre: &InstancePre<HostState>,
    store: &mut Store<HostState>,
    call: Call,
) -> wasmtime::Result<Answer> {
    let input = std::mem::take(&mut store.data_mut().stdin);
    let allowed = store.data().limits.output_bytes;
    store.set_hostcall_fuel(
        usize::try_from(allowed).unwrap_or(usize::MAX).saturating_add(COPY_SLACK),
    );
    store.set_max_component_handles(MAX_HANDLES);
    charge(store, input.len())?;
    let instance = pre.instantiate_async(&mut *store).await?;
    let name = call.name();
    let answer = match call {
        Call::Execute => {
            let func = instance
                .get_typed_func::<(&[u8],), (Result<Vec<u8>, String>,)>(&mut *store, name)?;
            func.call_async(&mut *store, (&input,)).await?.0
        }
        Call::Split { parts } => {
            let func = instance.get_typed_func::<(&[u8], u32), (Result<Vec<Vec<u8>>, String>,)>(
                &mut *store,
                name,
            )?;
            let parts = func.call_async(&mut *store, (&input, parts)).await?.0;
            match parts.map(|parts| pack(&parts)) {
                Ok(Ok(packed)) => Ok(packed),
                Ok(Err(refusal)) => Err(refusal.to_string()),
                Err(words) => Err(words),
            }
        }
        Call::Merge => {
            let func = instance
                .get_typed_func::<(&[Vec<u8>],), (Result<Vec<u8>, String>,)>(&mut *store, name)?;
            let parts = unpack(&input).map_err(wasmtime::Error::from)?;
            func.call_async(&mut *store, (&parts,)).await?.0
        }
    };
    let bytes = answer.as_ref().map_or_else(String::len, Vec::len);
    charge(store, bytes)?;
    if answer.is_ok() && bytes as u64 > allowed {
        return Err(Stop::Limit(LimitKind::Output, bytes as u64).into());
    }
    Ok(answer)
}

/// Copies cost a unit a byte, as everywhere.
fn charge(store: &mut Store<HostState>, bytes: usize) -> wasmtime::Result<()> {
    let left = store.get_fuel()?.checked_sub(bytes as u64);
    store.set_fuel(left.unwrap_or(0))?;
    match left {
        Some(_) => Ok(()),
        None => Err(Stop::Limit(LimitKind::Fuel, store.data().limits.fuel).into()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::{MAX_PARTS, pack, unpack};

    #[test]
    fn too_many_parts_are_refused() {
        assert!(pack(&vec![Vec::new(); MAX_PARTS]).is_ok());
        assert!(pack(&vec![Vec::new(); MAX_PARTS + 1]).is_err());
        let many = borsh::to_vec(&vec![Vec::<u8>::new(); MAX_PARTS + 1]).unwrap();
        assert!(unpack(&many).is_err());
    }

    proptest! {
        #[test]
        fn parts_come_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            prop_assert_eq!(unpack(&pack(&parts).unwrap()).unwrap(), parts);
        }

        #[test]
        fn any_bytes_are_parts_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(parts) = unpack(&bytes) {
                prop_assert_eq!(pack(&parts).unwrap(), bytes);
            }
        }
    }
}
