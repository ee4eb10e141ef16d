//! The iterators that lazy maps return.

use std::marker::PhantomData;

use manyhands_pool as pool;
use manyhands_pool::Payload;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::decode_result;
use crate::{Error, Result, codec};

/// The inputs of a map, encoded as they are pulled.
pub(crate) struct Inputs<I>(pub(crate) I);

impl<I> pool::Source for Inputs<I>
where
    I: Iterator,
    I::Item: Serialize,
{
    fn next(&mut self, chunk: &mut Payload) -> Option<Result<()>> {
        let input = self.0.next()?;
        Some(codec::encode(&input, chunk).map_err(|error| {
            Error::invalid(format!("an input of the map cannot be sent: {error}"))
        }))
    }

    fn remaining(&self) -> Option<usize> {
        self.0.size_hint().1
    }
}

/// The results of a lazy map, in the order of its inputs; made by
/// [`Call::imap`](crate::Call::imap). Dropping it cancels the items that no worker has begun.
pub struct Imap<I, R>
where
    I: Iterator,
    I::Item: Serialize,
{
    inner: pool::Map<Inputs<I>>,
    result: PhantomData<fn() -> R>,
}

impl<I, R> Imap<I, R>
where
    I: Iterator,
    I::Item: Serialize,
{
    pub(crate) fn new(inner: pool::Map<Inputs<I>>) -> Self {
        Imap { inner, result: PhantomData }
    }
}

impl<I, R> Iterator for Imap<I, R>
where
    I: Iterator,
    I::Item: Serialize,
    R: DeserializeOwned,
{
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        let (_, result) = self.inner.next_with(decode_result)?;
        Some(result.and_then(|result| result))
    }
}

/// The results of a lazy map in the order of completion, each with the position of its input; made
/// by [`Call::imap_unordered`](crate::Call::imap_unordered). Dropping it cancels the items that no
/// worker has begun.
pub struct ImapUnordered<I, R>
where
    I: Iterator,
    I::Item: Serialize,
{
    inner: pool::Map<Inputs<I>>,
    result: PhantomData<fn() -> R>,
}

impl<I, R> ImapUnordered<I, R>
where
    I: Iterator,
    I::Item: Serialize,
{
    pub(crate) fn new(inner: pool::Map<Inputs<I>>) -> Self {
        ImapUnordered { inner, result: PhantomData }
    }
}

impl<I, R> Iterator for ImapUnordered<I, R>
where
    I: Iterator,
    I::Item: Serialize,
    R: DeserializeOwned,
{
    type Item = (usize, Result<R>);

    fn next(&mut self) -> Option<(usize, Result<R>)> {
        let (task, result) = self.inner.next_with(decode_result)?;
        Some((task as usize, result.and_then(|result| result)))
    }
}
