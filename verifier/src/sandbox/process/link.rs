//! One child as the parent sees it: a socket with deadlines, and a process to kill.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    config::{RunnerConfig, RunnerError},
    descriptor,
    frame::{self, FromChild, Setup, ToChild},
    lockdown::Confinement,
};

/// A child has this long to start.
const START: Duration = Duration::from_secs(20);
/// After it hung up, a child has this long to be gone.
const GONE: Duration = Duration::from_secs(2);

/// A running child. Dropping it kills it.
pub(super) struct Link {
    process: Child,
    socket: UnixStream,
    pub(super) fingerprint: [u8; 32],
    pub(super) confinement: Confinement,
    /// Jobs it has served.
    pub(super) served: u32,
}

/// Why talking to a child failed.
pub(super) enum LinkError {
    /// It did not answer in time.
    Late,
    /// It ended.
    Died(Option<ExitStatus>),
    /// It talks nonsense, or the socket failed.
    Io(io::Error),
}

impl Link {
    /// Starts a child, sets it up and waits until it is ready.
    pub(super) fn start(config: &RunnerConfig, setup: Setup) -> Result<Self, RunnerError> {
        let (ours, theirs) = UnixStream::pair().map_err(RunnerError::Spawn)?;
        let process = Command::new(&config.program)
            .args(&config.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(RunnerError::Spawn)?;
        let confinement = Confinement::Unfiltered { reason: "it did not start".into() };
        let mut link = Self { process, socket: ours, fingerprint: [0; 32], confinement, served: 0 };
        let deadline = Instant::now() + START;
        let answer = link
            .send(&ToChild::Setup(setup), deadline)
            .and_then(|()| link.receive(deadline))
            .map_err(|error| RunnerError::Start(error.to_string()))?;
        let FromChild::Ready { fingerprint, confinement } = answer else {
            return Err(RunnerError::Start("it did not say that it is ready".into()));
        };
        link.fingerprint = fingerprint;
        link.confinement = confinement;
        Ok(link)
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn send(&mut self, message: &ToChild, deadline: Instant) -> Result<(), LinkError> {
        let mut socket = Timed { socket: &self.socket, deadline };
        frame::write(&mut socket, message).map_err(|error| self.explain(error))
    }

    /// Sends a descriptor after the message that announces it.
    pub(super) fn send_file(&mut self, file: &File, deadline: Instant) -> Result<(), LinkError> {
        let left = Timed { socket: &self.socket, deadline }.left();
        left.and_then(|left| self.socket.set_write_timeout(left))
            .and_then(|()| descriptor::send(&self.socket, file))
            .map_err(|error| self.explain(error))
    }

    pub(super) fn receive(&mut self, deadline: Instant) -> Result<FromChild, LinkError> {
        let mut socket = Timed { socket: &self.socket, deadline };
        frame::read(&mut socket).map_err(|error| self.explain(error))
    }

    fn explain(&mut self, error: io::Error) -> LinkError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => LinkError::Late,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => LinkError::Died(self.last_status()),
            _ => LinkError::Io(error),
        }
    }

    /// How it ended; a child that hung up ends within moments.
    fn last_status(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + GONE;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                _ => return None,
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Died(Some(status)) => match status.signal() {
                Some(signal) => write!(f, "ended by signal {signal}"),
                None => write!(f, "ended with {status}"),
            },
            Self::Died(None) => f.write_str("hung up"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// The socket until a deadline, however many reads and writes that takes.
struct Timed<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        (&mut &*self.socket).read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        (&mut &*self.socket).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
