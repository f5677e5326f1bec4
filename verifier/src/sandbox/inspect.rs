//! Judges a module before anything is compiled: pure, linear in its size.

use wasmparser::{
    BinaryReaderError, ComponentImport, ComponentTypeRef, CompositeInnerType, Encoding,
    ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef, ValType, Validator,
    WasmFeatures,
};

use super::{
    artifact::{Floats, GuestKind, ModuleFacts},
    limits::Limits,
    outcome::Refusal,
    wasi,
};

/// The WebAssembly that guests may use: 2.0 with fixed-width SIMD and extended constants.
/// Threads, relaxed SIMD, memory64, several memories, tail calls, exceptions and GC are off.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .difference(WasmFeatures::GC_TYPES);

/// The same inside components, and what holds these together: the component model of WASI 0.2.
pub(super) const COMPONENT_FEATURES: WasmFeatures = FEATURES.union(WasmFeatures::COMPONENT_MODEL);

const PAGE: u64 = 64 << 10;
const MAX_FUNCTIONS: u64 = 100_000;
const MAX_FUNCTION_BYTES: u64 = 1 << 20;
pub(super) const MAX_TABLES: u32 = 4;

/// Checks everything that can be known without compiling.
///
/// # Errors
/// The first [`Refusal`] found.
pub fn inspect(module: &[u8], limits: &Limits) -> Result<ModuleFacts, Refusal> {
    let kind = kind_of(module)?;
    let bytes = module.len() as u64;
    if bytes > limits.module_bytes {
        return Err(Refusal::TooLarge { bytes, limit: limits.module_bytes });
    }
    let features = match kind {
        GuestKind::Command => FEATURES,
        GuestKind::Component => COMPONENT_FEATURES,
    };
    Validator::new_with_features(features).validate_all(module)?;
    let facts = match kind {
        GuestKind::Command => {
            let mut survey = Survey::new(bytes, kind);
            for payload in Parser::new(0).parse_all(module) {
                survey.payload(payload?)?;
            }
            survey.finish()?
        }
        GuestKind::Component => inspect_component(module)?,
    };
    check_facts(&facts, limits)?;
    Ok(facts)
}

/// What the core modules of a component come to together, and whether its own imports exist here.
fn inspect_component(bytes: &[u8]) -> Result<ModuleFacts, Refusal> {
    let mut whole = Survey::new(bytes.len() as u64, GuestKind::Component).facts;
    // What is being read, innermost last; `None` is a component.
    let mut open: Vec<Option<Survey>> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => open.push(match encoding {
                Encoding::Module => Some(Survey::new(0, GuestKind::Component)),
                Encoding::Component => None,
            }),
            Payload::ComponentImportSection(section) if open.len() == 1 => {
                for import in section {
                    check_import(&import?)?;
                }
            }
            Payload::End(_) => {
                if let Some(Some(survey)) = open.pop() {
                    let found = survey.facts;
                    if found.floats == Floats::Canonical {
                        whole.floats = Floats::Canonical;
                    }
                    whole.memory_bytes = whole.memory_bytes.max(found.memory_bytes);
                    whole.table_elements = whole.table_elements.max(found.table_elements);
                    whole.functions += found.functions;
                    bounded("functions", whole.functions, MAX_FUNCTIONS)?;
                }
            }
            payload => {
                if let Some(Some(survey)) = open.last_mut() {
                    survey.payload(payload)?;
                }
            }
        }
    }
    Ok(whole)
}

/// A component may import what the usual toolchains always do.
fn check_import(import: &ComponentImport<'_>) -> Result<(), Refusal> {
    const WASI: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];
    if matches!(import.ty, ComponentTypeRef::Type(_)) {
        return Ok(());
    }
    let name = import.name.name;
    let known = name
        .strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(package, rest)| WASI.contains(&package) && rest.contains("@0.2."));
    if known && matches!(import.ty, ComponentTypeRef::Instance(_)) {
        return Ok(());
    }
    let (module, name) = name.split_once('/').unwrap_or(("the host", name));
    Err(Refusal::ForbiddenImport {
        module: shown(module),
        name: shown(name),
        reason: "a component has WASI 0.2 without http, and nothing else".into(),
    })
}

/// Checks facts that are already known against the limits of another job.
pub(super) fn check_facts(facts: &ModuleFacts, limits: &Limits) -> Result<(), Refusal> {
    if facts.module_bytes > limits.module_bytes {
        return Err(Refusal::TooLarge { bytes: facts.module_bytes, limit: limits.module_bytes });
    }
    if facts.memory_bytes > limits.memory_bytes {
        return Err(Refusal::MemoryTooBig {
            bytes: facts.memory_bytes,
            limit: limits.memory_bytes,
        });
    }
    if facts.table_elements > limits.table_elements.into() {
        return Err(Refusal::TableTooBig {
            elements: facts.table_elements,
            limit: limits.table_elements.into(),
        });
    }
    Ok(())
}

fn kind_of(module: &[u8]) -> Result<GuestKind, Refusal> {
    match module {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(GuestKind::Command),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(GuestKind::Component),
        [0, b'a', b's', b'm', ..] => {
            Err(Refusal::InvalidModule { reason: "unknown version of the binary format".into() })
        }
        _ => {
            let first = module.iter().find(|byte| !byte.is_ascii_whitespace());
            match first {
                Some(b'(' | b';') => Err(Refusal::TextFormat),
                _ => Err(Refusal::NotWasm),
            }
        }
    }
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::InvalidModule { reason: error.to_string() }
    }
}

/// What has been seen of the module so far.
struct Survey {
    types: Vec<Option<FuncType>>,
    /// Type of each function: imported ones first, as in the index space.
    functions: Vec<u32>,
    facts: ModuleFacts,
    start_found: Option<u32>,
}

impl Survey {
    fn new(module_bytes: u64, kind: GuestKind) -> Self {
        Self {
            types: Vec::new(),
            functions: Vec::new(),
            facts: ModuleFacts {
                kind,
                floats: Floats::None,
                module_bytes,
                memory_bytes: 0,
                table_elements: 0,
                functions: 0,
            },
            start_found: None,
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for sub in group?.into_types() {
                        self.types.push(match sub.composite_type.inner {
                            CompositeInnerType::Func(func) => Some(func),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.import(import.module, import.name, import.ty)?;
                }
            }
            Payload::FunctionSection(section) => {
                bounded("functions", section.count().into(), MAX_FUNCTIONS)?;
                self.facts.functions = section.count().into();
                for index in section {
                    self.functions.push(index?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let pages = memory?.initial;
                    self.facts.memory_bytes = pages.saturating_mul(PAGE);
                }
            }
            Payload::TableSection(section) => {
                bounded("tables", section.count().into(), MAX_TABLES.into())?;
                for table in section {
                    let elements = table?.ty.initial;
                    self.facts.table_elements = self.facts.table_elements.max(elements);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.name == "_start" && export.kind == ExternalKind::Func {
                        self.start_found = Some(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), Refusal> {
        let forbid = |reason: &str| Refusal::ForbiddenImport {
            module: shown(module),
            name: shown(name),
            reason: reason.into(),
        };
        if self.facts.kind == GuestKind::Component {
            // Inside a component modules import from each other; the validator has matched them.
            if let TypeRef::Func(index) = ty {
                self.functions.push(index);
            }
            return Ok(());
        }
        if module != wasi::MODULE {
            return Err(forbid(match module {
                "wasi_unstable" => "this is the snapshot before WASI preview 1",
                m if m.starts_with("wasi:") => "this is WASI preview 2, for components",
                _ => "only wasi_snapshot_preview1 exists in the sandbox",
            }));
        }
        let TypeRef::Func(index) = ty else {
            return Err(forbid("only functions can be imported"));
        };
        let Some((params, results)) = wasi::signature(name) else {
            return Err(forbid("WASI preview 1 has no such function"));
        };
        let func = self.types.get(index as usize).and_then(Option::as_ref);
        if !func.is_some_and(|f| spelled(f.params()) == params && spelled(f.results()) == results) {
            return Err(forbid("it has another signature in WASI preview 1"));
        }
        self.functions.push(index);
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let range = body.range();
        bounded("bytes in one function", (range.end - range.start) as u64, MAX_FUNCTION_BYTES)?;
        if self.facts.floats == Floats::Canonical {
            return Ok(());
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            if makes_floats(&reader.read()?) {
                self.facts.floats = Floats::Canonical;
                break;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<ModuleFacts, Refusal> {
        let start = self
            .start_found
            .and_then(|index| self.functions.get(index as usize))
            .and_then(|ty| self.types.get(*ty as usize))
            .and_then(Option::as_ref);
        match start {
            Some(func) if func.params().is_empty() && func.results().is_empty() => Ok(self.facts),
            _ => Err(Refusal::NoStart),
        }
    }
}

fn bounded(what: &str, count: u64, limit: u64) -> Result<(), Refusal> {
    if count > limit {
        return Err(Refusal::TooMany { what: what.into(), count, limit });
    }
    Ok(())
}

/// Names come from outside: short and printable before they reach a message.
fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn spelled(types: &[ValType]) -> String {
    types
        .iter()
        .map(|ty| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'l',
            _ => '?',
        })
        .collect()
}

/// Whether the operator's name says that it computes floats. Loads, stores and constants only
/// move bits. Errs towards `true`: that costs time, never determinism.
const fn named_float(name: &str) -> bool {
    has(name, "f32") && !moves_bits(name) || has(name, "f64") && !moves_bits(name)
}

const fn moves_bits(name: &str) -> bool {
    has(name, "load") || has(name, "store") || has(name, "const") || has(name, "reinterpret")
}

const fn has(name: &str, part: &str) -> bool {
    let (name, part) = (name.as_bytes(), part.as_bytes());
    let mut at = 0;
    while at + part.len() <= name.len() {
        let mut same = 0;
        while same < part.len() && name[at + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        at += 1;
    }
    false
}

macro_rules! define_makes_floats {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        fn makes_floats(op: &Operator<'_>) -> bool {
            match op {
                $(Operator::$op { .. } => const { named_float(stringify!($visit)) },)*
                // An operator of a newer proposal: assume the worst.
                _ => true,
            }
        }
    };
}
wasmparser::for_each_operator!(define_makes_floats);

#[cfg(test)]
mod tests {
    use super::{Operator, makes_floats};

    #[test]
    fn float_arithmetic_is_recognised_by_name() {
        for op in [Operator::F32Add, Operator::F64Sqrt, Operator::F32x4Mul, Operator::F32Min] {
            assert!(makes_floats(&op), "{op:?}");
        }
        for op in [Operator::I32Add, Operator::I64Mul, Operator::Nop, Operator::I8x16Add] {
            assert!(!makes_floats(&op), "{op:?}");
        }
    }
}
