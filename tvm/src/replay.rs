//! Replaying recordings of the reference: what it did with a message or a get-method, and what we
//! do.
//!
//! A file has one JSON object a line. An executor call has `now`, `lt`, `randomSeed`, `libs`,
//! `message`, `shardAccount` and the reference's `ok`, `transaction`, `newShardAccount`; a
//! get-method has `code`, `method` and the reference's `exit`, `gas`, `stack`.

mod call;
mod input;
mod method;

use std::path::Path;

use serde::Serialize;

use crate::Config;
use input::Line;

pub use input::{MAX_FILE_BYTES, MAX_LINE_BYTES, MalformedLine, ReplayError, read_config};

/// A field in which we differ from the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The recording's file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What differs, as the recording calls it.
    pub field: String,
    /// What we have there.
    pub ours: String,
    /// What the reference has there.
    pub reference: String,
}

/// What replaying came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Recordings replayed.
    pub total: usize,
    /// Recordings without a difference.
    pub matched: usize,
    /// All differences, in order.
    pub differences: Vec<Difference>,
}

/// One recording's difference, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    field: &'static str,
    ours: String,
    reference: String,
}

impl Mismatch {
    fn compare(field: &'static str, ours: impl ToString, reference: impl ToString) -> Option<Self> {
        let (ours, reference) = (ours.to_string(), reference.to_string());
        (ours != reference).then_some(Self { field, ours, reference })
    }
}

/// Replays recordings against one configuration.
#[derive(Debug)]
pub struct Replay {
    config: Config,
    report: Report,
}

impl Replay {
    /// Starts with the configuration in `root`, a `Hashmap 32 ^Cell`.
    ///
    /// # Errors
    /// [`ReplayError::Config`] if it is none.
    pub fn new(root: tycho_types::cell::Cell) -> Result<Self, ReplayError> {
        // Storage prices are parsed again for each recording's time.
        let config =
            Config::from_root(root, 0).map_err(|error| ReplayError::Config(error.to_string()))?;
        Ok(Self { config, report: Report::default() })
    }

    /// Replays all recordings of a file.
    ///
    /// # Errors
    /// [`ReplayError`] if the file cannot be read or one of its lines is no recording; lines
    /// before it are in the report.
    pub fn file(&mut self, path: &Path) -> Result<(), ReplayError> {
        let name = path.display().to_string();
        let text = input::read_text(path)?;
        self.text(&name, &text)
    }

    /// Replays all recordings of a text; `name` stands for the file in what is reported.
    ///
    /// # Errors
    /// [`ReplayError::Line`] if a line is no recording.
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), ReplayError> {
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let number = index + 1;
            let mismatches = self.line(line).map_err(|error| ReplayError::Line {
                file: name.to_owned(),
                line: number,
                error,
            })?;
            self.report.total += 1;
            self.report.matched += usize::from(mismatches.is_empty());
            self.report.differences.extend(mismatches.into_iter().map(|mismatch| Difference {
                file: name.to_owned(),
                line: number,
                field: mismatch.field.to_owned(),
                ours: mismatch.ours,
                reference: mismatch.reference,
            }));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<Vec<Mismatch>, MalformedLine> {
        match input::parse(line)? {
            Line::Call(call) => call::replay(&mut self.config, *call),
            Line::Method(method) => method::replay(&mut self.config, &method),
        }
    }

    /// What has come out so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the replay.
    pub fn into_report(self) -> Report {
        self.report
    }
}
