//! Functions as data: the function of a task travels to a worker as its offset in this executable.
//!
//! ```text
//!   parent:  f: fn(A) -> R ─► addresses of run::<A, R> and of f, from the anchor's ─► offsets, build id
//!   worker:  offsets, build id ─► anchor's address + offsets ─► checked ─► run::<A, R>(f, …) ─► f(argument)
//! ```
//! The worker is this same executable, started again, so the distance between two functions is the
//! same there, wherever the image was loaded. This is safe because both ends compare the build id
//! of the image that contains the anchor, the parent sends only functions of that image, and the
//! worker calls only addresses in its executable part. A task's function is nothing but a function
//! pointer. The compiler turns a closure into one only if it captures nothing. Even a value without
//! bytes counts as a capture: it may be a witness of something that happened in this process and
//! not in a worker.
//!
//! This is the only file of the crate with unsafe code: it turns an offset into a function.

#![allow(unsafe_code, reason = "turns an offset back into a function")]

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::OnceLock;

use manyhands_pool::worker::Item;
use manyhands_pool::{Error, Payload, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::context::Contexts;

/// A function that calls the user's function: [`run`], [`run_with`] or [`run_raw_with`] for its
/// types, so that all callers have one type. Its first argument is the user's function.
type Caller = fn(
    Address,
    &mut Contexts,
    Option<u64>,
    Item<'_>,
    &mut Payload,
) -> std::result::Result<(), String>;

/// Address of a user's function; its caller knows the type.
#[derive(Clone, Copy)]
struct Address(*const ());

/// A function of the user, and its caller.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    caller: Caller,
    address: Address,
}

impl Function {
    pub(crate) fn call(
        self,
        contexts: &mut Contexts,
        context: Option<u64>,
        item: Item<'_>,
        reply: &mut Payload,
    ) -> std::result::Result<(), String> {
        (self.caller)(self.address, contexts, context, item, reply)
    }
}

fn run<A: DeserializeOwned, R: Serialize>(
    function: Address,
    _contexts: &mut Contexts,
    _context: Option<u64>,
    item: Item<'_>,
    reply: &mut Payload,
) -> std::result::Result<(), String> {
    let argument = codec::decode(item.bytes, item.handles)
        .map_err(|error| format!("its argument cannot be read: {error}"))?;
    // SAFETY: `name` pairs this caller only with a function of this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function.0) };
    encode_result(&function(argument), reply)
}

fn run_with<C, A, R>(
    function: Address,
    contexts: &mut Contexts,
    context: Option<u64>,
    item: Item<'_>,
    reply: &mut Payload,
) -> std::result::Result<(), String>
where
    C: DeserializeOwned + 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    let context = contexts.get::<C>(context.ok_or("its context was not sent")?)?;
    let argument = codec::decode(item.bytes, item.handles)
        .map_err(|error| format!("its argument cannot be read: {error}"))?;
    // SAFETY: `name_with` pairs this caller only with a function of this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&C, A) -> R>(function.0) };
    encode_result(&function(context, argument), reply)
}

fn run_raw_with<C, A>(
    function: Address,
    contexts: &mut Contexts,
    context: Option<u64>,
    item: Item<'_>,
    reply: &mut Payload,
) -> std::result::Result<(), String>
where
    C: DeserializeOwned + 'static,
    A: DeserializeOwned,
{
    let context = contexts.get::<C>(context.ok_or("its context was not sent")?)?;
    let argument = codec::decode(item.bytes, item.handles)
        .map_err(|error| format!("its argument cannot be read: {error}"))?;
    // SAFETY: `name_raw_with` pairs this caller only with a function of this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&C, A, &mut Vec<u8>)>(function.0) };
    function(context, argument, &mut reply.bytes);
    Ok(())
}

fn encode_result<R: Serialize>(result: &R, reply: &mut Payload) -> std::result::Result<(), String> {
    codec::encode(result, reply).map_err(|error| format!("its result cannot be sent: {error}"))
}

/// The bytes that name a function of one argument to a worker.
pub(crate) fn name<A: DeserializeOwned, R: Serialize>(function: fn(A) -> R) -> Result<Vec<u8>> {
    name_of(run::<A, R>, function as *const ())
}

/// The bytes that name a function of a context and an argument to a worker.
pub(crate) fn name_with<C, A, R>(function: fn(&C, A) -> R) -> Result<Vec<u8>>
where
    C: DeserializeOwned + 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    name_of(run_with::<C, A, R>, function as *const ())
}

/// The bytes that name a function which writes its result itself, so that a large result is copied
/// only once.
pub(crate) fn name_raw_with<C, A>(function: fn(&C, A, &mut Vec<u8>)) -> Result<Vec<u8>>
where
    C: DeserializeOwned + 'static,
    A: DeserializeOwned,
{
    name_of(run_raw_with::<C, A>, function as *const ())
}

/// The function from which the offsets of all others are measured.
fn anchor() {
    std::hint::black_box(());
}

fn anchor_address() -> usize {
    anchor as fn() as usize
}

fn name_of(caller: Caller, function: *const ()) -> Result<Vec<u8>> {
    let image = image().as_ref().map_err(|reason| Error::invalid(reason.clone()))?;
    let mut name = Vec::with_capacity(16 + image.build_id.len());
    for address in [caller as usize, function as usize] {
        if !image.holds(address) {
            return Err(Error::invalid(
                "a function of another image: tasks must be compiled into the same executable or \
                 library as manyhands itself",
            ));
        }
        name.extend_from_slice(&(address.wrapping_sub(anchor_address()) as u64).to_le_bytes());
    }
    name.extend_from_slice(&image.build_id);
    Ok(name)
}

/// Finds the function that some bytes name.
///
/// # Errors
/// If the function does not belong to this image.
pub(crate) fn resolve(name: &[u8]) -> std::result::Result<Function, String> {
    let image = image().as_ref().map_err(Clone::clone)?;
    let (caller, rest) = name.split_first_chunk().ok_or("no function's name")?;
    let (function, build_id) = rest.split_first_chunk().ok_or("no function's name")?;
    if build_id != image.build_id {
        return Err("the function is of another build of this program".to_owned());
    }
    let place = |offset: &[u8; 8]| {
        let address = anchor_address().wrapping_add(u64::from_le_bytes(*offset) as usize);
        let is_code = image.holds(address);
        is_code.then_some(address as *const ()).ok_or("the function is not inside this program")
    };
    let address = Address(place(function)?);
    // SAFETY: `name_of` of the same image (same build id) made the name, and measured a function of
    // type `Caller`; distances within an image do not change, and the address is executable
    // (checked).
    let caller = unsafe { std::mem::transmute::<*const (), Caller>(place(caller)?) };
    Ok(Function { caller, address })
}

/// The executable or library that contains the anchor.
struct Image {
    /// Address ranges of its code.
    code: Vec<Range<usize>>,
    build_id: Vec<u8>,
}

impl Image {
    fn holds(&self, address: usize) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }
}

fn image() -> &'static std::result::Result<Image, String> {
    static IMAGE: OnceLock<std::result::Result<Image, String>> = OnceLock::new();
    IMAGE.get_or_init(find_image)
}

fn find_image() -> std::result::Result<Image, String> {
    let because = |what: &str, error: std::io::Error| format!("{what}, to name functions: {error}");
    struct Mapping<'a> {
        range: Range<usize>,
        executable: bool,
        /// Device and inode of the file.
        file: (&'a str, &'a str),
        path: &'a str,
    }
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(|error| because("cannot read /proc/self/maps", error))?;
    let mappings: Vec<_> = maps
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(6, ' ');
            let (start, end) = fields.next()?.split_once('-')?;
            let hex = |text| usize::from_str_radix(text, 16).ok();
            let executable = fields.next()?.contains('x');
            let file = (fields.nth(1)?, fields.next()?);
            let path = fields.next().unwrap_or("").trim_start();
            Some(Mapping { range: hex(start)?..hex(end)?, executable, file, path })
        })
        .collect();
    let own = mappings
        .iter()
        .find(|mapping| mapping.range.contains(&anchor_address()))
        .ok_or("this program's own code is not in /proc/self/maps")?;
    let code = mappings
        .iter()
        .filter(|mapping| mapping.executable && mapping.file == own.file)
        .map(|mapping| mapping.range.clone())
        .collect();
    // The program's own file may have been replaced; this link still leads to the running one.
    let program = fs::read_link("/proc/self/exe")
        .map_err(|error| because("cannot read the link /proc/self/exe", error))?;
    let path = if program.as_os_str() == own.path { "/proc/self/exe" } else { own.path };
    let file = File::open(path).map_err(|error| because(&format!("cannot open {path}"), error))?;
    let build_id = match gnu_build_id(&file) {
        Some(build_id) => build_id,
        None => {
            let metadata = file
                .metadata()
                .map_err(|error| because(&format!("cannot look at {path}"), error))?;
            let parts = [
                metadata.dev(),
                metadata.ino(),
                metadata.size(),
                metadata.mtime().cast_unsigned(),
                metadata.mtime_nsec().cast_unsigned(),
            ];
            parts.iter().flat_map(|part| part.to_le_bytes()).collect()
        }
    };
    Ok(Image { code, build_id })
}

/// The note by which the linker distinguishes builds, from an ELF file (64 bits, little-endian).
fn gnu_build_id(file: &File) -> Option<Vec<u8>> {
    let read = |at: u64, len: usize| {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    };
    let number = |bytes: &[u8], at: usize, len: usize| -> Option<u64> {
        let mut number = [0; 8];
        number[..len].copy_from_slice(bytes.get(at..at + len)?);
        Some(u64::from_le_bytes(number))
    };
    let header = read(0, 64)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) =
        (number(&header, 32, 8)?, number(&header, 54, 2)?, number(&header, 56, 2)?);
    const NOTES: u64 = 4;
    const BUILD_ID: u64 = 3;
    for entry in 0..count {
        let entry = read(table + entry * size, 56)?;
        if number(&entry, 0, 4)? != NOTES {
            continue;
        }
        let len = number(&entry, 32, 8)?.min(1 << 16);
        let notes = read(number(&entry, 8, 8)?, len as usize)?;
        let mut at = 0;
        while let (Some(name), Some(text), Some(kind)) =
            (number(&notes, at, 4), number(&notes, at + 4, 4), number(&notes, at + 8, 4))
        {
            let text_at = at + 12 + (name as usize).next_multiple_of(4);
            let text_end = text_at + text as usize;
            if kind == BUILD_ID && notes.get(at + 12..at + 16) == Some(b"GNU\0") {
                return notes.get(text_at..text_end).map(<[u8]>::to_vec);
            }
            at = text_end.next_multiple_of(4);
        }
    }
    None
}

/// Makes the workers of a test program start as workers. Put it once into the crate under test: at
/// the root of `lib.rs` under `#[cfg(test)]`, or into each file of `tests/`.
///
/// The test harness owns `main`, so [`init`](crate::init) cannot be called there. The macro
/// arranges its call before `main`, by an entry in the program's `.init_array`.
///
/// ```
/// // In src/lib.rs:
/// #[cfg(test)]
/// manyhands::test_worker!();
/// # manyhands::test_worker!();
/// # fn main() -> manyhands::Result<()> {
/// # let pool = manyhands::Pool::new()?;
/// # assert_eq!(pool.map(|x: u64| x + 1, 0..3)?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! test_worker {
    () => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".init_array")]
            static BEFORE_MAIN: extern "C" fn() = {
                extern "C" fn before_main() {
                    $crate::init();
                }
                before_main
            };
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use manyhands_pool::worker::Clock;
    use std::sync::Arc;

    fn double(x: u64) -> u64 {
        2 * x
    }

    fn call(name: &[u8], argument: u64) -> std::result::Result<u64, String> {
        let mut payload = Payload::default();
        codec::encode(&argument, &mut payload).unwrap();
        let clock = Clock::unseen();
        let item = Item { bytes: &payload.bytes, handles: &[], clock: &clock };
        let mut reply = Payload::default();
        resolve(name)?.call(&mut Contexts::default(), None, item, &mut reply)?;
        codec::decode(&reply.bytes, &[])
    }

    #[test]
    fn functions_and_closures_survive_a_round_trip_through_their_names() {
        assert_eq!(call(&name(double).unwrap(), 21), Ok(42));
        assert_eq!(call(&name(|x: u64| x + 1).unwrap(), 21), Ok(22));
        assert_ne!(name(double).unwrap(), name(|x: u64| 3 * x).unwrap());
    }

    #[test]
    fn another_build_or_another_place_is_refused() {
        let good = name(double).unwrap();
        let mut other_build = good.clone();
        *other_build.last_mut().unwrap() ^= 1;
        assert!(call(&other_build, 1).unwrap_err().contains("another build"));
        for byte in [6, 14] {
            let mut outside = good.clone();
            outside[byte] ^= 0x40;
            assert!(call(&outside, 1).unwrap_err().contains("not inside"));
        }
        assert!(call(b"short", 1).is_err());
    }

    #[test]
    fn this_program_has_a_build_id() {
        let id = gnu_build_id(&File::open("/proc/self/exe").unwrap());
        assert!(id.is_some_and(|id| id.len() >= 8));
        assert_eq!(gnu_build_id(&File::open("/dev/null").unwrap()), None);
    }

    #[test]
    fn a_function_of_another_image_is_refused() {
        let image = image().as_ref().unwrap();
        let of_libc = std::process::abort as fn() -> ! as usize;
        assert!(image.holds(of_libc), "std is linked into this image");
        assert!(!image.holds(Arc::as_ptr(&Arc::new(0)) as usize), "data is no code");
        assert!(!image.holds(0));
    }
}
