//! Runs circom 2's witness calculator, a WASM module from a stranger.
//!
//! The module can import four messages and nothing else; it has no clock, no randomness, no files.
//! Fuel and memory are bounded. Values cross in 32-bit words of "shared memory", eight over both curves.

use ark_ff::{BigInteger as _, PrimeField};
use wasmtime::{
    Caller, Config, Engine, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Trap,
    TypedFunc, WasmParams, WasmResults,
};
use zeroize::Zeroizing;

use super::inputs::Signals;
use super::{ProveError, ProveLimits};

/// A calculator's error message is cut here.
const MAX_MESSAGE: usize = 512;
const STACK_BYTES: usize = 1 << 20;
const MAX_TABLE_ELEMENTS: usize = 10_000;

/// What the imports write and the store enforces.
struct Host {
    limits: StoreLimits,
    /// Code of the exception, once there was one.
    exception: Option<i32>,
    /// What the calculator said about it: names of templates and lines, never values.
    message: String,
}

/// Computes the witness: `wires` canonical scalars, the first of which is one; and the fuel used.
pub(super) fn calculate<F: PrimeField>(
    wasm: &[u8],
    signals: &Signals<F>,
    wires: usize,
    limits: &ProveLimits,
) -> Result<(Zeroizing<Vec<F>>, u64), ProveError> {
    let mut calculator = Calculator::start(wasm, limits)?;
    calculator.check_prime::<F>()?;
    calculator.give(signals)?;
    let witness = calculator.read(wires)?;
    let left = calculator.store.get_fuel().map_err(|error| module_error(&error))?;
    Ok((witness, limits.fuel.saturating_sub(left)))
}

struct Calculator {
    store: Store<Host>,
    instance: Instance,
    fuel: u64,
    read_word: TypedFunc<i32, i32>,
}

impl Calculator {
    fn start(wasm: &[u8], limits: &ProveLimits) -> Result<Self, ProveError> {
        let engine = engine().map_err(|error| module_error(&error))?;
        let module = Module::from_binary(&engine, wasm).map_err(|error| module_error(&error))?;
        let host = Host {
            limits: StoreLimitsBuilder::new()
                .memory_size(limits.memory_bytes)
                .memories(1)
                .tables(1)
                .table_elements(MAX_TABLE_ELEMENTS)
                .instances(1)
                .trap_on_grow_failure(true)
                .build(),
            exception: None,
            message: String::new(),
        };
        let mut store = Store::new(&engine, host);
        store.limiter(|host| &mut host.limits);
        store.set_fuel(limits.fuel).map_err(|error| module_error(&error))?;
        let linker = imports(&engine).map_err(|error| module_error(&error))?;
        let instance = match linker.instantiate(&mut store, &module) {
            Ok(instance) => instance,
            Err(error) => return Err(failure(&store, limits.fuel, &error, ProveError::Module)),
        };
        let read_word = instance
            .get_typed_func(&mut store, "readSharedRWMemory")
            .map_err(|error| module_error(&error))?;
        Ok(Self { store, instance, fuel: limits.fuel, read_word })
    }

    fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<TypedFunc<P, R>, ProveError> {
        self.instance
            .get_typed_func(&mut self.store, name)
            .map_err(|error| ProveError::Module(first_line(&error)))
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, ProveError> {
        function
            .call(&mut self.store, params)
            .map_err(|error| failure(&self.store, self.fuel, &error, ProveError::Trap))
    }

    /// Looks up and calls a function without parameters that returns a count.
    fn count(&mut self, name: &str) -> Result<usize, ProveError> {
        let function = self.function::<(), i32>(name)?;
        let count = self.call(&function, ())?;
        usize::try_from(count).map_err(|_| ProveError::Module(format!("{name} is negative")))
    }

    fn check_prime<F: PrimeField>(&mut self) -> Result<(), ProveError> {
        let other = || ProveError::Module("it is not for the zkey's curve".into());
        if self.count("getFieldNumLen32")? != 2 * F::BigInt::NUM_LIMBS {
            return Err(other());
        }
        let raw_prime = self.function::<(), ()>("getRawPrime")?;
        self.call(&raw_prime, ())?;
        if self.shared::<F>()? == F::MODULUS { Ok(()) } else { Err(other()) }
    }

    /// Hands over every signal. With sanity checks on, the calculator evaluates each constraint
    /// and reports the one that fails.
    fn give<F: PrimeField>(&mut self, signals: &Signals<F>) -> Result<(), ProveError> {
        let init = self.function::<i32, ()>("init")?;
        let size = self.function::<(i32, i32), i32>("getInputSignalSize")?;
        let write = self.function::<(i32, i32), ()>("writeSharedRWMemory")?;
        let set = self.function::<(i32, i32, i32), ()>("setInputSignal")?;
        self.call(&init, 1)?;
        let mut given = 0;
        for (name, values) in signals.iter() {
            let (high, low) = fnv1a(name);
            // A negative size means that there is no such signal.
            let expected = usize::try_from(self.call(&size, (high, low))?).unwrap_or(0);
            if expected != values.len() || expected == 0 {
                let signal = name.chars().take(80).collect();
                return Err(ProveError::Signal { signal, expected, found: values.len() });
            }
            for (value, position) in values.iter().zip(0_i32..) {
                for (word, index) in words(value).into_iter().zip(0_i32..) {
                    self.call(&write, (index, word.cast_signed()))?;
                }
                self.call(&set, (high, low, position))?;
                given += 1;
            }
        }
        let expected = self.count("getInputSize")?;
        if expected == given {
            Ok(())
        } else {
            Err(ProveError::MissingSignals { expected, found: given })
        }
    }

    fn read<F: PrimeField>(&mut self, wires: usize) -> Result<Zeroizing<Vec<F>>, ProveError> {
        if self.count("getWitnessSize")? != wires {
            return Err(ProveError::Module("its witness has another size than the zkey's".into()));
        }
        let get = self.function::<i32, ()>("getWitness")?;
        // Room for all: growing would leave copies behind.
        let mut witness = Zeroizing::new(Vec::with_capacity(wires));
        for (index, _) in (0_i32..).zip(0..wires) {
            self.call(&get, index)?;
            let element = self.shared::<F>()?;
            witness.push(
                F::from_bigint(element)
                    .ok_or_else(|| ProveError::Module("a witness element is too large".into()))?,
            );
        }
        if witness.first() != Some(&F::ONE) {
            return Err(ProveError::Module("its witness does not start with one".into()));
        }
        Ok(witness)
    }

    /// The number in shared memory.
    fn shared<F: PrimeField>(&mut self) -> Result<F::BigInt, ProveError> {
        let read_word = self.read_word.clone();
        let mut number = F::BigInt::default();
        for (limb, first) in number.as_mut().iter_mut().zip((0_i32..).step_by(2)) {
            let low = self.call(&read_word, first)?.cast_unsigned();
            let high = self.call(&read_word, first + 1)?.cast_unsigned();
            *limb = u64::from(high) << 32 | u64::from(low);
        }
        Ok(number)
    }
}

fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(STACK_BYTES)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false);
    Engine::new(&config)
}

/// The four imports of circom 2's output. A module that wants anything else does not link.
fn imports(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(
        "runtime",
        "exceptionHandler",
        |mut caller: Caller<'_, Host>, code: i32| -> wasmtime::Result<()> {
            caller.data_mut().exception = Some(code);
            Err(wasmtime::Error::msg("exception"))
        },
    )?;
    linker.func_wrap("runtime", "printErrorMessage", |mut caller: Caller<'_, Host>| {
        let text = message(&mut caller)?;
        let kept = &mut caller.data_mut().message;
        if kept.len() + text.len() < MAX_MESSAGE {
            kept.push_str(&text);
            kept.push(' ');
        }
        wasmtime::Result::Ok(())
    })?;
    // The circuit's `log` may print private values: it is read away and dropped.
    linker.func_wrap("runtime", "writeBufferMessage", |mut caller: Caller<'_, Host>| {
        message(&mut caller).map(drop)
    })?;
    linker.func_wrap("runtime", "showSharedRWMemory", || {})?;
    Ok(linker)
}

/// Asks the calculator for its message, character by character.
fn message(caller: &mut Caller<'_, Host>) -> wasmtime::Result<String> {
    let export = caller.get_export("getMessageChar").and_then(|export| export.into_func());
    let Some(next) = export else { return Ok(String::new()) };
    let next = next.typed::<(), i32>(&*caller)?;
    let mut text = String::new();
    for _ in 0..MAX_MESSAGE {
        let character = next.call(&mut *caller, ())?;
        match u8::try_from(character) {
            Ok(0) => break,
            Ok(byte) if byte.is_ascii_graphic() || byte == b' ' => text.push(char::from(byte)),
            _ => text.push('?'),
        }
    }
    Ok(text)
}

/// Says why a call failed: the calculator's own report before fuel before anything else.
fn failure(
    store: &Store<Host>,
    fuel: u64,
    error: &wasmtime::Error,
    otherwise: fn(String) -> ProveError,
) -> ProveError {
    if let Some(code) = store.data().exception {
        let cause = match code {
            1 => "signal not found",
            2 => "too many signals set",
            3 => "signal already set",
            4 => "assert failed",
            5 => "not enough memory",
            6 => "input signal array access exceeds the size",
            7 => "out of bounds array access",
            _ => "unknown error",
        };
        return ProveError::Rejected(format!("{cause}. {}", store.data().message.trim_end()));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => ProveError::OutOfFuel(fuel),
        Some(trap) => otherwise(trap.to_string()),
        None => otherwise(first_line(error)),
    }
}

fn module_error(error: &wasmtime::Error) -> ProveError {
    ProveError::Module(first_line(error))
}

fn first_line(error: &wasmtime::Error) -> String {
    crate::groth16::malformed::shortened(&format!("{error:#}"))
}

/// A scalar as 32-bit words, lowest first.
fn words<F: PrimeField>(value: &F) -> Vec<u32> {
    // The casts cut each limb into its halves.
    let halves = |limb: &u64| [*limb as u32, (*limb >> 32) as u32];
    value.into_bigint().as_ref().iter().flat_map(halves).collect()
}

/// circom names signals by the 64-bit FNV-1a hash of their name, in two halves.
fn fnv1a(name: &str) -> (i32, i32) {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    (((hash >> 32) as u32).cast_signed(), (hash as u32).cast_signed())
}
