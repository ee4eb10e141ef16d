//! The pages of a column chunk: assembles them, compresses them if that pays, and writes them with
//! headers.
//!
//! ```text
//!   column chunk   header  dictionary page      if there is a dictionary
//!                  header  data page            …
//!   data page      length  levels  values       compressed as a whole if the chunk is compressed
//! ```
//! A header is Thrift in its compact protocol: each field has one byte, which holds the distance
//! from the previous field and the type, followed by the value. See `PageHeader` in the [format's
//! definition](https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).

use std::io;

use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnChunkMetaDataBuilder, PageEncodingStats};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::hybrid::{put_levels, put_varint};

/// Number and size of the samples that are compressed to decide whether compressing the chunk pays.
const PIECES: usize = 4;
const PIECE: usize = 4 << 10;

/// The pages of one column chunk.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Uncompressed contents of the pages.
    body: Vec<u8>,
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    /// End of the page in the body.
    end: usize,
    values: usize,
    kind: PageType,
    encoding: Encoding,
}

impl Pages {
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.pages.clear();
    }

    /// Adds a dictionary of `values` values; must come before all other pages.
    pub(super) fn add_dictionary(&mut self, values: usize, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.body);
        self.close(values, PageType::DICTIONARY_PAGE, Encoding::PLAIN);
    }

    /// Adds a data page of some rows. The rows in `nulls`, counted from `first`, have no value.
    pub(super) fn add(
        &mut self,
        rows: usize,
        nulls: &[u32],
        first: usize,
        put: impl FnOnce(&mut Vec<u8>) -> Encoding,
    ) {
        let at = self.body.len();
        self.body.extend_from_slice(&[0; 4]);
        put_levels(rows, nulls, first, &mut self.body);
        let len = (self.body.len() - at - 4) as u32;
        self.body[at..at + 4].copy_from_slice(&len.to_le_bytes());
        let encoding = put(&mut self.body);
        self.close(rows, PageType::DATA_PAGE, encoding);
    }

    fn close(&mut self, values: usize, kind: PageType, encoding: Encoding) {
        self.pages.push(Page { end: self.body.len(), values, kind, encoding });
    }

    /// Appends the chunk to a file that is `file[start..]`; returns its metadata.
    pub(super) fn write(
        &self,
        column: ColumnDescPtr,
        packer: &mut Packer,
        start: usize,
        file: &mut Vec<u8>,
    ) -> Result<ColumnChunkMetaDataBuilder, ParquetError> {
        // The format stores the number of bytes of a page in 31 bits.
        if self.body.len() > i32::MAX as usize {
            let message =
                format!("the column {} has 2 GiB or more in one row group", column.name());
            return Err(ParquetError::General(message));
        }
        let is_packed = packer.helps(&self.body)?;
        let begin = file.len();
        let (mut from, mut headers, mut rows) = (0, 0, 0);
        let (mut dictionary, mut first) = (None, None);
        let mut encodings = vec![Encoding::RLE];
        let mut statistics: Vec<PageEncodingStats> = Vec::new();
        for page in &self.pages {
            let body = &self.body[from..page.end];
            let packed = if is_packed { packer.pack(body)? } else { body };
            let at = file.len();
            page.put_header(body.len(), packed.len(), file);
            headers += file.len() - at;
            file.extend_from_slice(packed);
            from = page.end;
            let place = Some((at - start) as i64);
            match page.kind {
                PageType::DICTIONARY_PAGE => dictionary = place,
                _ => {
                    first = first.or(place);
                    rows += page.values;
                }
            }
            encodings.push(page.encoding);
            let like = |known: &&mut PageEncodingStats| {
                known.page_type == page.kind && known.encoding == page.encoding
            };
            match statistics.iter_mut().find(like) {
                Some(known) => known.count += 1,
                None => statistics.push(PageEncodingStats {
                    page_type: page.kind,
                    encoding: page.encoding,
                    count: 1,
                }),
            }
        }
        let compression = match is_packed {
            true => Compression::ZSTD(ZstdLevel::try_new(LEVEL)?),
            false => Compression::UNCOMPRESSED,
        };
        Ok(ColumnChunkMetaData::builder(column)
            .set_compression(compression)
            .set_encodings(encodings)
            .set_page_encoding_stats(statistics)
            .set_total_compressed_size((file.len() - begin) as i64)
            .set_total_uncompressed_size((self.body.len() + headers) as i64)
            .set_num_values(rows as i64)
            .set_data_page_offset(first.unwrap_or_default())
            .set_dictionary_page_offset(dictionary))
    }
}

impl Page {
    fn put_header(&self, bytes: usize, packed: usize, out: &mut Vec<u8>) {
        const I32: u8 = 5;
        const STRUCT: u8 = 12;
        const STOP: u8 = 0;
        let mut put = |distance: u8, value: usize| {
            out.push(distance << 4 | I32);
            // Zigzag encoding of a number that is not negative.
            put_varint(2 * value as u64, out);
        };
        put(1, self.kind as usize);
        put(1, bytes);
        put(1, packed);
        let is_dictionary = self.kind == PageType::DICTIONARY_PAGE;
        // `dictionary_page_header` is field 7, `data_page_header` field 5; the previous field was
        // 3.
        out.push(if is_dictionary { 4 } else { 2 } << 4 | STRUCT);
        let mut put = |value: usize| {
            out.push(1 << 4 | I32);
            put_varint(2 * value as u64, out);
        };
        put(self.values);
        put(self.encoding as usize);
        if !is_dictionary {
            put(Encoding::RLE as usize);
            put(Encoding::RLE as usize);
        }
        out.extend([STOP, STOP]);
    }
}

/// The fastest level of Zstandard that finds repetitions and skewed frequencies.
const LEVEL: i32 = 1;

/// A compressor with reusable memory.
#[derive(Default)]
pub(super) struct Packer {
    compressor: Option<Compressor<'static>>,
    packed: Vec<u8>,
    sample: Vec<u8>,
}

impl Packer {
    fn pack(&mut self, bytes: &[u8]) -> io::Result<&[u8]> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut self.packed)?;
        Ok(&self.packed)
    }

    /// Returns whether compression saves a third, which makes it worth its time.
    fn helps(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let mut sample = std::mem::take(&mut self.sample);
        sample.clear();
        if bytes.len() <= PIECES * PIECE {
            sample.extend_from_slice(bytes);
        } else {
            for piece in 0..PIECES {
                let middle = (2 * piece + 1) * bytes.len() / (2 * PIECES);
                sample.extend_from_slice(&bytes[middle - PIECE / 2..][..PIECE]);
            }
        }
        let packed = self.pack(&sample)?.len();
        let helps = 3 * packed < 2 * sample.len();
        self.sample = sample;
        Ok(helps)
    }
}
