//! Progress on standard error: bars on a terminal, plain lines when piped, nothing with `--json`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// Progress of one piece of work with a known number of steps.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    output: Output,
}

impl Progress {
    pub(crate) fn new(output: &Output, steps: u64) -> Self {
        let bar = if output.is_interactive() {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            let template = "{spinner} [{bar:32}] {pos}/{len} {msg} {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, output: *output }
    }

    /// A line that stays.
    pub(crate) fn line(&self, line: &str) {
        if self.output.is_interactive() {
            self.bar.println(line);
        } else {
            self.output.note(line);
        }
    }

    /// How far it is, and what is going on.
    pub(crate) fn at(&self, steps: u64, total: u64, message: &str) {
        self.bar.set_length(total);
        self.bar.set_position(steps);
        self.bar.set_message(message.to_owned());
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
