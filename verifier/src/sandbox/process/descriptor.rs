//! A descriptor over a socket (`SCM_RIGHTS`), with one byte as its vehicle.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{fd::AsFd, unix::net::UnixStream},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

const VEHICLE: [u8; 1] = [b'f'];

/// Sends the file's descriptor; the file's position goes with it.
pub(super) fn send(to: &UnixStream, file: &File) -> io::Result<()> {
    let descriptors = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let sent = sendmsg(to, &[IoSlice::new(&VEHICLE)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent != VEHICLE.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// Receives what [`send`] sent.
pub(super) fn receive(from: &UnixStream) -> io::Result<File> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let read = recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
    if read.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
            && let Some(descriptor) = descriptors.next()
        {
            return Ok(File::from(descriptor));
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a byte without its descriptor"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::{receive, send};

    #[test]
    fn a_file_arrives_and_nothing_but_a_file_passes() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"code").unwrap();
        send(&here, &file).unwrap();
        let mut arrived = receive(&there).unwrap();
        std::io::Seek::rewind(&mut arrived).unwrap();
        let mut text = String::new();
        arrived.read_to_string(&mut text).unwrap();
        assert_eq!(text, "code");

        here.write_all(b"f").unwrap();
        assert!(receive(&there).is_err(), "a byte alone");
        drop(here);
        assert!(receive(&there).is_err(), "hung up");
    }
}
