//! Where results are printed: one JSON document, or text for people.

use std::{
    fmt,
    io::{IsTerminal, Write},
    process::ExitCode,
};

use comfy_table::{Table, presets};
use serde::Serialize;

/// An error that ends the program with a code of its own.
#[derive(Debug)]
pub(crate) struct ExitWith {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl fmt::Display for ExitWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExitWith {}

/// An error with an exit code of its own.
pub(crate) fn exit_with(code: u8, message: impl Into<String>) -> anyhow::Error {
    ExitWith { code, message: message.into() }.into()
}

/// The error of somebody who asked for what cannot be: exit code 2, as the parser's own.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    exit_with(2, message)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Json,
}

/// Prints to standard output; errors to standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    style: Style,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { style: if json { Style::Json } else { Style::Text } }
    }

    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.style, Style::Json)
    }

    /// May standard error show bars and colours?
    pub(crate) fn is_interactive(&self) -> bool {
        !self.is_json() && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    /// The one JSON document, or the text.
    pub(crate) fn document<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let document = match self.style {
            Style::Json => serde_json::to_string_pretty(value)?,
            Style::Text => text(),
        };
        self.raw(format!("{}\n", document.trim_end()).as_bytes())
    }

    /// Bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // Whoever reads us had enough: no error of ours.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A line for people, on standard error; nothing with `--json`.
    pub(crate) fn note(&self, line: &str) {
        if !self.is_json() {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    pub(crate) fn error(&self, error: &anyhow::Error) {
        let _ = writeln!(std::io::stderr(), "fog: {error:#}");
    }
}

/// A table for people.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Exit code of a check that failed.
pub(crate) fn failed() -> ExitCode {
    ExitCode::from(1)
}
