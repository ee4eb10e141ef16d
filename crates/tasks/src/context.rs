//! Contexts in a worker: each is decoded once, when the first task that needs it runs.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use manyhands_pool::{Error, Payload, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// Number of bytes in front of a context's own that identify its type.
const TYPE_BYTES: usize = 8;

/// The payload of a context. Its type comes first, so values of different types with equal bytes
/// stay different.
pub(crate) fn payload_of<C: Serialize>(context: &C) -> Result<Payload> {
    let mut hasher = DefaultHasher::new();
    std::any::type_name::<C>().hash(&mut hasher);
    let mut payload = Payload::from(hasher.finish().to_le_bytes().to_vec());
    codec::encode(context, &mut payload)
        .map_err(|error| Error::invalid(format!("the context cannot be sent: {error}")))?;
    Ok(payload)
}

/// The contexts that were sent to this worker, by number.
#[derive(Default)]
pub(crate) struct Contexts {
    by_id: HashMap<u64, Context>,
}

enum Context {
    Encoded(Payload),
    Decoded(Box<dyn Any>),
}

impl Contexts {
    pub(crate) fn insert(&mut self, id: u64, payload: Payload) {
        self.by_id.insert(id, Context::Encoded(payload));
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    /// The bytes of a blob that was not decoded as a context.
    pub(crate) fn encoded(&self, id: u64) -> Option<&[u8]> {
        match self.by_id.get(&id)? {
            Context::Encoded(payload) => Some(&payload.bytes),
            Context::Decoded(_) => None,
        }
    }

    pub(crate) fn get<C: DeserializeOwned + 'static>(
        &mut self,
        id: u64,
    ) -> std::result::Result<&C, String> {
        let context = self.by_id.get_mut(&id).ok_or("its context was never sent")?;
        if let Context::Encoded(payload) = context {
            let decoded: C = codec::decode(&payload.bytes[TYPE_BYTES..], &payload.handles)
                .map_err(|error| format!("its context cannot be read: {error}"))?;
            *context = Context::Decoded(Box::new(decoded));
        }
        match context {
            Context::Decoded(decoded) => decoded
                .downcast_ref()
                .ok_or_else(|| "its context was read as another type".to_owned()),
            Context::Encoded(_) => unreachable!("it was just decoded"),
        }
    }
}
