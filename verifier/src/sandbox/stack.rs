//! Counts a guest's stack in WebAssembly's own terms, so that recursion ends at the same call
//! whatever the compiler makes of it.
//!
//! How large a frame is, is the compiler's affair: it differs by optimisation level. So before a
//! module is compiled it gets a global that holds how much stack is left. A function that calls
//! others takes its price from it when it is entered and gives it back when it is left; where less
//! than nothing is left, it calls a function of ours that is `unreachable` ([`is_end`]). The
//! technique is stack height metering, as in Parity's `wasm-instrument`.
//!
//! The price of a frame: [`FRAME`] and, for each parameter, each local and the most operands at
//! once, [`SLOT`]. Functions that call nothing are free, since only one of them is there at a time.
//! The native stack ([`native`]) is larger by so much that compiled code reaches its end only where
//! the compiler keeps what the module computes again. That is the stack limit, too; workers and
//! verifiers compile alike and come to the same end, but another optimisation level does not: nobody
//! signs a rejection then, since the independent run disagrees.

use std::collections::BTreeMap;

use wasm_encoder::{BlockType, Encode, Instruction, NameMap, NameSection, RawSection, Section};
use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser,
    ValType, ValidPayload, Validator, ValidatorResources, WasmModuleResources,
};

use super::{artifact::GuestKind, inspect::FEATURES, outcome::Refusal};

/// Bytes for the return address, the frame pointer and what else a frame always has.
const FRAME: u32 = 32;
/// Bytes for a parameter, a local or an operand; vectors are two.
const SLOT: u32 = 8;
/// Native bytes for each counted one.
const NATIVE: usize = 4;
/// Components inside each other: toolchains make two or three levels.
const MAX_NESTING: u32 = 32;
/// What our function is called. Guests have no names here: theirs are dropped.
const END: &str = "end of stack";

/// The numbers of the binary format's sections.
mod id {
    pub(super) const CUSTOM: u8 = 0;
    pub(super) const CORE_MODULE: u8 = 1;
    pub(super) const COMPONENT: u8 = 4;
    pub(super) const TYPE: u8 = 1;
    pub(super) const FUNCTION: u8 = 3;
    pub(super) const GLOBAL: u8 = 6;
    pub(super) const CODE: u8 = 10;
    /// Those that come before the globals (imports, tables, memories among them), and these.
    pub(super) const UP_TO_GLOBALS: [u8; 6] = [TYPE, 2, FUNCTION, 4, 5, GLOBAL];
}

/// Native stack for a guest whose counted one has so many bytes.
pub(super) const fn native(stack_bytes: u32) -> usize {
    stack_bytes as usize * NATIVE
}

/// Whether a trap in a function of this name means that the counted stack was at its end.
pub(super) fn is_end(function: Option<&str>) -> bool {
    function == Some(END)
}

/// The guest with a counter of `stack_bytes` in each module. The guest has passed the validator.
///
/// # Errors
/// [`Refusal::TooMany`] for components deep inside each other, [`Refusal::InvalidModule`].
pub(super) fn counted(guest: &[u8], kind: GuestKind, stack_bytes: u32) -> Result<Vec<u8>, Refusal> {
    match kind {
        GuestKind::Command => module(guest, stack_bytes),
        GuestKind::Component => component(guest, stack_bytes, 0),
    }
}

/// A component is copied section by section, but for the modules and components in it.
fn component(bytes: &[u8], stack_bytes: u32, depth: u32) -> Result<Vec<u8>, Refusal> {
    if depth > MAX_NESTING {
        return Err(Refusal::TooMany {
            what: "components inside each other".into(),
            count: depth.into(),
            limit: MAX_NESTING.into(),
        });
    }
    let (header, sections) = sections(bytes)?;
    let mut out = header.to_vec();
    for (id, content) in sections {
        let changed = match id {
            id::CUSTOM => continue,
            id::CORE_MODULE => Some(module(content, stack_bytes)?),
            id::COMPONENT => Some(component(content, stack_bytes, depth + 1)?),
            _ => None,
        };
        push(&mut out, id, changed.as_deref().unwrap_or(content));
    }
    Ok(out)
}

type Sections<'a> = Vec<(u8, &'a [u8])>;
/// Encoded entries of a section.
type Entries = Vec<Vec<u8>>;

/// The header of a module or component, and its sections.
fn sections(bytes: &[u8]) -> Result<(&[u8], Sections<'_>), Refusal> {
    let mut reader = BinaryReader::new(bytes, 0);
    let header = reader.read_bytes(8)?;
    let mut sections = Vec::new();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let length = reader.read_var_u32()?;
        sections.push((id, reader.read_bytes(length as usize)?));
    }
    Ok((header, sections))
}

fn push(out: &mut Vec<u8>, id: u8, data: &[u8]) {
    RawSection { id, data }.append_to(out);
}

/// What the counter adds to a module.
struct Counter {
    /// Index of the global that holds what is left.
    left: u32,
    /// Index of the function where the stack ends.
    end: u32,
    /// Types without parameters, by their results.
    types: BTreeMap<Vec<ValType>, u32>,
    first_type: u32,
}

impl Counter {
    /// For a module with these types, functions and globals.
    fn after(types: u32, functions: u32, globals: u32) -> Self {
        let nothing_to_nothing = BTreeMap::from([(Vec::new(), types)]);
        Self { left: globals, end: functions, types: nothing_to_nothing, first_type: types }
    }

    fn type_of(&mut self, results: &[ValType]) -> u32 {
        let next = self.first_type + self.types.len() as u32;
        *self.types.entry(results.to_vec()).or_insert(next)
    }

    /// The types that are new, in the order of their indices.
    fn encoded_types(&self) -> Result<Entries, Refusal> {
        let mut types: Vec<_> = self.types.iter().collect();
        types.sort_by_key(|(_, index)| **index);
        types.into_iter().map(|(results, _)| encoded_type(results)).collect()
    }

    fn encoded_global(stack_bytes: u32) -> Vec<u8> {
        let mut out = Vec::new();
        wasm_encoder::ValType::I32.encode(&mut out);
        out.push(1); // it changes
        Instruction::I32Const(i32::try_from(stack_bytes).unwrap_or(i32::MAX)).encode(&mut out);
        Instruction::End.encode(&mut out);
        out
    }

    /// Takes the price, and calls the end where that leaves less than nothing.
    fn enter(&self, price: i32, out: &mut Vec<u8>) {
        let steps = [
            Instruction::GlobalGet(self.left),
            Instruction::I32Const(price),
            Instruction::I32Sub,
            Instruction::GlobalSet(self.left),
            Instruction::GlobalGet(self.left),
            Instruction::I32Const(0),
            Instruction::I32LtS,
            Instruction::If(BlockType::Empty),
            Instruction::Call(self.end),
            Instruction::End,
        ];
        steps.iter().for_each(|step| step.encode(out));
    }

    fn leave(&self, price: i32, out: &mut Vec<u8>) {
        let steps = [
            Instruction::GlobalGet(self.left),
            Instruction::I32Const(price),
            Instruction::I32Add,
            Instruction::GlobalSet(self.left),
        ];
        steps.iter().for_each(|step| step.encode(out));
    }

    /// The body inside a block, which is where `return` goes and what was a branch out of the
    /// function leads to, and the counting around it.
    fn around(
        &mut self,
        body: &FunctionBody<'_>,
        price: i32,
        results: &[ValType],
    ) -> Result<Vec<u8>, Refusal> {
        let (bytes, start) = (body.as_bytes(), body.range().start);
        let mut operators = body.get_operators_reader()?;
        let mut copied = operators.original_position() - start;
        let mut out = bytes[..copied].to_vec();
        self.enter(price, &mut out);
        Instruction::Block(BlockType::FunctionType(self.type_of(results))).encode(&mut out);
        let mut depth = 0_u32;
        while !operators.eof() {
            let at = operators.original_position() - start;
            match operators.read()? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                // The last closes the block around the body.
                Operator::End => depth = depth.saturating_sub(1),
                Operator::Return => {
                    out.extend_from_slice(&bytes[copied..at]);
                    Instruction::Br(depth).encode(&mut out);
                    copied = operators.original_position() - start;
                }
                _ => {}
            }
        }
        out.extend_from_slice(&bytes[copied..]);
        self.leave(price, &mut out);
        Instruction::End.encode(&mut out);
        Ok(out)
    }
}

fn encoded_type(results: &[ValType]) -> Result<Vec<u8>, Refusal> {
    let mut out = vec![0x60, 0];
    results.len().encode(&mut out);
    for ty in results {
        // References to types of the module are off.
        let ty = wasm_encoder::ValType::try_from(*ty)
            .map_err(|error| Refusal::InvalidModule { reason: error.to_string() })?;
        ty.encode(&mut out);
    }
    Ok(out)
}

/// A module whose functions count; one without functions stays as it is.
fn module(bytes: &[u8], stack_bytes: u32) -> Result<Vec<u8>, Refusal> {
    let (header, sections) = sections(bytes)?;
    let Some((counter, bodies)) = bodies(bytes)? else { return Ok(bytes.to_vec()) };
    let global = [Counter::encoded_global(stack_bytes)];
    let mut out = header.to_vec();
    let mut global_is_due = true;
    for (id, content) in sections {
        if global_is_due && id != id::CUSTOM && !id::UP_TO_GLOBALS.contains(&id) {
            push(&mut out, id::GLOBAL, &extended(&[0], &global)?);
            global_is_due = false;
        }
        match id {
            id::CUSTOM => {}
            id::TYPE => push(&mut out, id, &extended(content, &counter.encoded_types()?)?),
            id::FUNCTION => {
                let mut nothing_to_nothing = Vec::new();
                counter.first_type.encode(&mut nothing_to_nothing);
                push(&mut out, id, &extended(content, &[nothing_to_nothing])?);
            }
            id::GLOBAL => {
                push(&mut out, id, &extended(content, &global)?);
                global_is_due = false;
            }
            id::CODE => push(&mut out, id, &extended(&[0], &bodies)?),
            _ => push(&mut out, id, content),
        }
    }
    let mut names = NameMap::new();
    names.append(counter.end, END);
    let mut section = NameSection::new();
    section.functions(&names);
    section.append_to(&mut out);
    Ok(out)
}

/// A section's content with more entries at its end.
fn extended(content: &[u8], entries: &[Vec<u8>]) -> Result<Vec<u8>, Refusal> {
    let mut reader = BinaryReader::new(content, 0);
    let count = reader.read_var_u32()?;
    let mut out = Vec::with_capacity(content.len() + 16);
    (count as usize + entries.len()).encode(&mut out);
    out.extend_from_slice(&content[reader.original_position()..]);
    entries.iter().for_each(|entry| out.extend_from_slice(entry));
    Ok(out)
}

/// The bodies of a module's functions with the counter in them, and one more where the stack ends;
/// each with its length before it. None for a module without functions.
fn bodies(bytes: &[u8]) -> Result<Option<(Counter, Entries)>, Refusal> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut counter = None;
    let mut bodies = Vec::new();
    let mut room = FuncValidatorAllocations::default();
    for payload in parser.parse_all(bytes) {
        let ValidPayload::Func(function, body) = validator.payload(&payload?)? else { continue };
        let counter = counter.get_or_insert_with(|| {
            let (types, functions, globals) = validator.types(0).map_or((0, 0, 0), |types| {
                (types.core_type_count_in_module(), types.function_count(), types.global_count())
            });
            Counter::after(types, functions, globals)
        });
        let (frame, used) = Frame::of(function, &body, room)?;
        room = used;
        let mut out = Vec::new();
        if frame.calls {
            counter.around(&body, frame.price(), &frame.results)?.encode(&mut out);
        } else {
            body.as_bytes().encode(&mut out);
        }
        bodies.push(out);
    }
    if counter.is_some() {
        let mut end = vec![0];
        Instruction::Unreachable.encode(&mut end);
        Instruction::End.encode(&mut end);
        let mut out = Vec::new();
        end.encode(&mut out);
        bodies.push(out);
    }
    Ok(counter.map(|counter| (counter, bodies)))
}

/// What a function needs while it runs.
struct Frame {
    slots: u32,
    calls: bool,
    results: Vec<ValType>,
}

impl Frame {
    /// Reads a body through; gives the validator's room back.
    fn of(
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        room: FuncValidatorAllocations,
    ) -> Result<(Self, FuncValidatorAllocations), Refusal> {
        let ty = function.resources.sub_type_at(function.ty).map(|ty| ty.unwrap_func().clone());
        let (params, results) =
            ty.as_ref().map_or((&[][..], &[][..]), |ty| (ty.params(), ty.results()));
        let mut slots = params.iter().map(slots_of).sum::<u32>();
        for local in body.get_locals_reader()? {
            let (count, ty) = local?;
            slots = slots.saturating_add(count.saturating_mul(slots_of(&ty)));
        }
        let mut validator = function.into_validator(room);
        validator.read_locals(&mut body.get_binary_reader())?;
        let (mut calls, mut operands) = (false, 0);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let at = operators.original_position();
            let operator = operators.read()?;
            calls |= matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. });
            validator.op(at, &operator)?;
            operands = operands.max(validator.operand_stack_height());
        }
        let frame =
            Self { slots: slots.saturating_add(operands), calls, results: results.to_vec() };
        Ok((frame, validator.into_allocations()))
    }

    /// At most some 10 MB: the validator bounds locals to 50,000 and bodies to less than 8 MB.
    fn price(&self) -> i32 {
        i32::try_from(FRAME.saturating_add(self.slots.saturating_mul(SLOT))).unwrap_or(i32::MAX)
    }
}

fn slots_of(ty: &ValType) -> u32 {
    if *ty == ValType::V128 { 2 } else { 1 }
}
