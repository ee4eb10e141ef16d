//! Encodes arguments and results: `serde` values in `postcard`. Shared memory inside them travels
//! as a handle, named by its position among the handles of the payload.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use manyhands_pool::Payload;
use manyhands_shm::Segment;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

thread_local! {
    /// Handles of the payload that is being encoded; `None` outside a payload.
    static OUTGOING: RefCell<Option<Vec<Arc<Segment>>>> = const { RefCell::new(None) };
    /// Handles of the payload that is being decoded.
    static INCOMING: RefCell<Vec<Arc<Segment>>> = const { RefCell::new(Vec::new()) };
}

/// Appends bytes to a vector.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Restores what the thread was encoding before, even if user code panics.
struct Outgoing<'a> {
    handles: &'a mut Vec<Arc<Segment>>,
    outer: Option<Vec<Arc<Segment>>>,
}

impl Drop for Outgoing<'_> {
    fn drop(&mut self) {
        *self.handles = OUTGOING.replace(self.outer.take()).unwrap_or_default();
    }
}

/// Restores what the thread was decoding before, even if user code panics.
struct Incoming(Vec<Arc<Segment>>);

impl Drop for Incoming {
    fn drop(&mut self) {
        INCOMING.replace(mem::take(&mut self.0));
    }
}

/// Appends a value to a payload. If it fails, some bytes may have been appended.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    payload: &mut Payload,
) -> Result<(), String> {
    let outer = OUTGOING.replace(Some(mem::take(&mut payload.handles)));
    let _outgoing = Outgoing { handles: &mut payload.handles, outer };
    postcard::serialize_with_flavor(value, Append(&mut payload.bytes))
        .map_err(|error| error.to_string())
}

/// Appends a value that contains no shared memory to `bytes`.
///
/// # Panics
/// If the value cannot be serialised.
pub fn encode_onto<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    postcard::serialize_with_flavor(value, Append(bytes)).expect("a vector takes everything");
}

/// Decodes the value in a payload; its shared memory is in `handles`.
///
/// # Errors
/// The reason, if the bytes do not encode such a value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], handles: &[Arc<Segment>]) -> Result<T, String> {
    if handles.is_empty() {
        return postcard::from_bytes(bytes).map_err(|error| error.to_string());
    }
    let _incoming = Incoming(INCOMING.replace(handles.to_vec()));
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Encodes a value that cannot have handles, such as a queue's message.
pub(crate) fn encode_alone<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let _outgoing = Outgoing { handles: &mut Vec::new(), outer: OUTGOING.take() };
    postcard::serialize_with_flavor(value, Append(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Serialises shared memory as its position among the payload's handles.
pub(crate) fn serialize_handle<S: serde::Serializer>(
    segment: &Arc<Segment>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let position = OUTGOING.with_borrow_mut(|handles| {
        let handles = handles.as_mut()?;
        let known = handles.iter().position(|known| Arc::ptr_eq(known, segment));
        Some(known.unwrap_or_else(|| {
            handles.push(Arc::clone(segment));
            handles.len() - 1
        }))
    });
    match position {
        Some(position) => serializer.serialize_u32(position as u32),
        None => Err(serde::ser::Error::custom(
            "shared arrays and queues travel only in arguments, contexts and results of tasks",
        )),
    }
}

/// Deserialises shared memory that [`serialize_handle`] serialised.
pub(crate) fn deserialize_handle<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Segment>, D::Error> {
    let position: u32 = serde::Deserialize::deserialize(deserializer)?;
    INCOMING
        .with_borrow(|handles| handles.get(position as usize).cloned())
        .ok_or_else(|| serde::de::Error::custom("the payload has no such handle"))
}
