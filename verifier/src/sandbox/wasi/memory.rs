//! The guest's memory, every access checked.

use super::{Errno, Fault, Guest, HostState, exported_memory};

/// Most buffers one call may name.
const MAX_IOVECS: u32 = 1024;

/// The guest's memory beside the host's state.
pub(super) struct Memory<'a> {
    pub(super) data: &'a mut [u8],
    pub(super) state: &'a mut HostState,
}

impl<'a> Memory<'a> {
    pub(super) fn of(guest: &'a mut Guest<'_>) -> Result<Self, Fault> {
        let memory = exported_memory(guest)?;
        let (data, state) = memory.data_and_store_mut(guest);
        Ok(Self { data, state })
    }

    pub(super) fn slice_mut(&mut self, at: i32, length: u32) -> Result<&mut [u8], Errno> {
        slice_mut(self.data, at.cast_unsigned(), length)
    }

    pub(super) fn put_u32(&mut self, at: i32, value: u32) -> Result<(), Errno> {
        put(self.data, at.cast_unsigned(), &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: i32, value: u64) -> Result<(), Errno> {
        put(self.data, at.cast_unsigned(), &value.to_le_bytes())
    }
}

pub(super) fn slice(data: &[u8], at: u32, length: u32) -> Result<&[u8], Errno> {
    let end = (at as usize).checked_add(length as usize).ok_or(Errno::FAULT)?;
    data.get(at as usize..end).ok_or(Errno::FAULT)
}

pub(super) fn slice_mut(data: &mut [u8], at: u32, length: u32) -> Result<&mut [u8], Errno> {
    let end = (at as usize).checked_add(length as usize).ok_or(Errno::FAULT)?;
    data.get_mut(at as usize..end).ok_or(Errno::FAULT)
}

pub(super) fn put(data: &mut [u8], at: u32, bytes: &[u8]) -> Result<(), Errno> {
    let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
    slice_mut(data, at, length)?.copy_from_slice(bytes);
    Ok(())
}

/// Reads `N` bytes at an offset of a slice that holds them.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Errno> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or(Errno::FAULT)
}

/// The buffers of a scattered read or write: address and length, all inside memory.
pub(super) fn iovecs(data: &[u8], at: i32, count: i32) -> Result<Vec<(u32, u32)>, Errno> {
    let count = count.cast_unsigned();
    if count > MAX_IOVECS {
        return Err(Errno::INVAL);
    }
    let list = slice(data, at.cast_unsigned(), count * 8)?;
    list.chunks_exact(8)
        .map(|entry| {
            let start = u32::from_le_bytes(array(entry, 0)?);
            let length = u32::from_le_bytes(array(entry, 4)?);
            slice(data, start, length)?;
            Ok((start, length))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Errno, iovecs, put, slice};

    #[test]
    fn ranges_that_leave_memory_are_faults() {
        let data = [0; 16];
        assert!(slice(&data, 0, 16).is_ok());
        assert!(slice(&data, 16, 0).is_ok());
        for (at, length) in [(0, 17), (16, 1), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            assert_eq!(slice(&data, at, length), Err(Errno::FAULT), "{at} {length}");
        }
    }

    #[test]
    fn buffer_lists_are_bounded() {
        let mut data = [0; 64];
        assert_eq!(put(&mut data, 4, &64u32.to_le_bytes()), Ok(()));
        assert_eq!(iovecs(&data, 0, 1), Ok(vec![(0, 64)]));
        assert_eq!(iovecs(&data, 0, 9), Err(Errno::FAULT));
        assert_eq!(iovecs(&data, 0, 1025), Err(Errno::INVAL));
        assert_eq!(iovecs(&data, -1, 1), Err(Errno::FAULT));
    }
}
