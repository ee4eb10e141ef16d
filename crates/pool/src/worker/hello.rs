//! The greeting: the first message of the parent to a worker.

use crate::protocol::{Reader, VERSION};

/// The first message of the parent to a worker.
pub(crate) struct Hello {
    pub(crate) name: String,
    /// The worker's place in the pool.
    pub(crate) place: u32,
    pub(crate) affinity: Vec<usize>,
    pub(crate) startup: Vec<u8>,
}

impl Hello {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.extend(self.place.to_le_bytes());
        bytes.extend((self.affinity.len() as u32).to_le_bytes());
        bytes.extend(self.affinity.iter().flat_map(|cpu| (*cpu as u32).to_le_bytes()));
        for part in [self.name.as_bytes(), &self.startup] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u32()? != VERSION {
            return None;
        }
        let place = reader.u32()?;
        let processors = reader.u32()?;
        let affinity =
            (0..processors).map(|_| Some(reader.u32()? as usize)).collect::<Option<_>>()?;
        let mut part = || {
            let len = reader.u64()?;
            reader.bytes(len as usize).map(<[u8]>::to_vec)
        };
        let name = String::from_utf8(part()?).ok()?;
        Some(Hello { name, place, affinity, startup: part()? })
    }
}
