//! Ends that were told without figures, as they were before [`GuestExit::LimitHit`] said how far a
//! guest got. Whoever told one ran the program all the same: it is compared without figures, and
//! nobody is called a liar for having said less.

use fog_protocol::GuestExit;

use crate::{Execute, ExecuteError, Execution, Job};

/// Runs as another does, and tells ends as what it is compared with tells them.
pub struct AsTold<'a> {
    execute: &'a dyn Execute,
    figures: Figures,
}

/// Are figures told?
enum Figures {
    Told,
    LeftOut,
}

impl std::fmt::Debug for AsTold<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsTold").finish_non_exhaustive()
    }
}

impl<'a> AsTold<'a> {
    /// For a comparison with something that says these ends.
    pub fn by(ends: impl IntoIterator<Item = GuestExit>, execute: &'a dyn Execute) -> Self {
        let figures = match ends.into_iter().any(GuestExit::lacks_figures) {
            true => Figures::LeftOut,
            false => Figures::Told,
        };
        Self { execute, figures }
    }
}

impl Execute for AsTold<'_> {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        let done = self.execute.execute(job)?;
        Ok(match self.figures {
            Figures::Told => done,
            Figures::LeftOut => Execution { exit: done.exit.without_figures(), ..done },
        })
    }
}
