//! How arguments and results become bytes: `serde` values in `postcard`; shared memory inside
//! them travels as a handle, named by its position among those of the payload.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use manyhands_pool::Payload;
use manyhands_shm::Segment;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

thread_local! {
    /// The handles of what is being encoded; `None` outside a payload.
    static OUTGOING: RefCell<Option<Vec<Arc<Segment>>>> = const { RefCell::new(None) };
    /// The handles of what is being decoded.
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

/// Puts back, also when the user's code panics, what a thread was encoding before.
struct Outgoing<'a> {
    handles: &'a mut Vec<Arc<Segment>>,
    outer: Option<Vec<Arc<Segment>>>,
}

impl Drop for Outgoing<'_> {
    fn drop(&mut self) {
        *self.handles = OUTGOING.replace(self.outer.take()).unwrap_or_default();
    }
}

/// Puts back, also when the user's code panics, what a thread was decoding before.
struct Incoming(Vec<Arc<Segment>>);

impl Drop for Incoming {
    fn drop(&mut self) {
        INCOMING.replace(mem::take(&mut self.0));
    }
}

/// Appends a value to a payload. On failure bytes may have been appended.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    payload: &mut Payload,
) -> Result<(), String> {
    let outer = OUTGOING.replace(Some(mem::take(&mut payload.handles)));
    let _outgoing = Outgoing { handles: &mut payload.handles, outer };
    postcard::serialize_with_flavor(value, Append(&mut payload.bytes))
        .map_err(|error| error.to_string())
}

/// Appends a value without shared memory in it to `bytes`.
///
/// # Panics
/// If the value refuses to be serialised.
pub fn encode_onto<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    postcard::serialize_with_flavor(value, Append(bytes)).expect("a vector takes everything");
}

/// The value in the bytes of a payload, whose shared memory is in `handles`.
///
/// # Errors
/// The reason, if the bytes are no such value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], handles: &[Arc<Segment>]) -> Result<T, String> {
    if handles.is_empty() {
        return postcard::from_bytes(bytes).map_err(|error| error.to_string());
    }
    let _incoming = Incoming(INCOMING.replace(handles.to_vec()));
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Bytes of a value that no handle can go with, as in a queue's message.
pub(crate) fn encode_alone<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let _outgoing = Outgoing { handles: &mut Vec::new(), outer: OUTGOING.take() };
    postcard::serialize_with_flavor(value, Append(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Serialises shared memory, as its position among the payload's handles.
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

/// The shared memory that was serialised by [`serialize_handle`].
pub(crate) fn deserialize_handle<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Segment>, D::Error> {
    let position: u32 = serde::Deserialize::deserialize(deserializer)?;
    INCOMING
        .with_borrow(|handles| handles.get(position as usize).cloned())
        .ok_or_else(|| serde::de::Error::custom("a handle that did not come with its payload"))
}
