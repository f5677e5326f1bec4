//! What an examination found.

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Pass,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work, or must not be used like this.
    Fail,
    /// Not looked at: something before it failed, or it is not set up.
    Skip,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable name.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found; for a failure, the cause.
    pub found: String,
    /// What to do about it; for [`Status::Warn`] and [`Status::Fail`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// All steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Did nothing fail?
    pub ok: bool,
    /// In the order they were taken.
    pub checks: Vec<Check>,
}

/// Collects checks.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Check>);

impl Notes {
    pub(crate) fn pass(&mut self, name: &'static str, found: impl Into<String>) {
        self.note(name, Status::Pass, found, None);
    }

    pub(crate) fn warn(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.note(name, Status::Warn, found, Some(cure.into()));
    }

    pub(crate) fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.note(name, Status::Fail, found, Some(cure.into()));
    }

    /// Not looked at; unless it was, and failed.
    pub(crate) fn skip(&mut self, name: &'static str, found: impl Into<String>) {
        if self.0.iter().any(|check| check.name == name) {
            return;
        }
        self.note(name, Status::Skip, found, None);
    }

    fn note(
        &mut self,
        name: &'static str,
        status: Status,
        found: impl Into<String>,
        cure: Option<String>,
    ) {
        self.0.push(Check { name, status, found: found.into(), cure });
    }

    pub(crate) fn report(self) -> Report {
        let ok = self.0.iter().all(|check| check.status != Status::Fail);
        Report { ok, checks: self.0 }
    }
}
