//! A column of a row group: collects the cells by type, then encodes them as a column chunk.

use std::ops::Range;

use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::Coded;
use super::hybrid::put_bits;
use super::pages::{Packer, Pages};
use super::rows::{Rows, Type};
use super::texts::{Text, Texts};
use super::values::{Values, statistics_of_truths};
use super::words::{Kind, Words};

/// Approximate number of bytes of values in a page.
const PAGE_BYTES: usize = 1 << 20;

/// Row limit per page: 8-byte values then fill exactly `PAGE_BYTES`.
const PAGE_ROWS: usize = PAGE_BYTES / 8;

/// The cells of a column: the rows that are NULL, and the values of the others, all of them in the
/// field for the column's type.
#[derive(Debug)]
pub(super) struct Column {
    kind: Type,
    rows: usize,
    nulls: Vec<u32>,
    texts: Coded<Texts>,
    words: Coded<Words>,
    truths: Vec<bool>,
}

impl Default for Column {
    fn default() -> Self {
        Column {
            kind: Type::Text,
            rows: 0,
            nulls: Vec::new(),
            texts: Coded::default(),
            words: Coded::default(),
            truths: Vec::new(),
        }
    }
}

impl Column {
    /// Makes it an empty column of this type.
    pub(super) fn begin(&mut self, kind: Type) {
        (self.kind, self.rows) = (kind, 0);
        self.nulls.clear();
        self.truths.clear();
        self.texts.clear();
        let words = match kind {
            Type::Number => Kind::Floats,
            Type::Date => Kind::Days,
            _ => Kind::Integers,
        };
        self.words.clear().into_iter().for_each(|part| part.kind = words);
    }

    /// Adds the cells of some rows.
    pub(super) fn add<R: Rows>(&mut self, rows: &R, column: usize, range: Range<usize>) {
        let Column { kind, nulls, texts, words, truths, .. } = self;
        let mut row = self.rows as u32;
        self.rows += range.len();
        let mut is_there = |is_there: bool| {
            if !is_there {
                nulls.push(row);
            }
            row += 1;
            is_there
        };
        let mut put = |word: Option<i64>| {
            is_there(word.is_some());
            if let Some(word) = word {
                words.push(word);
            }
        };
        match kind {
            Type::Text => rows.each_text(column, range, |bytes, len| {
                if is_there(len > 0) {
                    texts.push(Text::new(bytes, len));
                }
            }),
            Type::Integer => rows.each_integer(column, range, put),
            Type::Number => rows.each_number(column, range, |number| {
                put(number.map(|number| number.to_bits() as i64));
            }),
            Type::Date => rows.each_date(column, range, |day| put(day.map(i64::from))),
            Type::Datetime => rows.each_datetime(column, range, put),
            Type::Boolean => rows.each_boolean(column, range, |truth| {
                is_there(truth.is_some());
                truths.extend(truth);
            }),
        }
        self.weigh(false);
    }

    fn weigh(&mut self, is_last: bool) {
        self.texts.weigh(is_last);
        self.words.weigh(is_last);
    }

    /// Appends the column chunk to a file that is `file[start..]`.
    pub(super) fn write(
        &mut self,
        column: ColumnDescPtr,
        pages: &mut Pages,
        packer: &mut Packer,
        start: usize,
        file: &mut Vec<u8>,
    ) -> Result<ColumnChunkMetaData, ParquetError> {
        self.weigh(true);
        let nulls = self.nulls.len() as u64;
        pages.clear();
        let statistics = match self.kind {
            Type::Text => {
                self.add_coded(&self.texts, pages);
                Texts::statistics(self.texts.parts(), nulls)
            }
            Type::Boolean => {
                self.add_pages(
                    pages,
                    |from| self.truths.len() - from,
                    |from, to, out| {
                        put_bits(&self.truths[from..to], out);
                        Encoding::PLAIN
                    },
                );
                statistics_of_truths(&self.truths, nulls)
            }
            _ => {
                self.add_coded(&self.words, pages);
                Words::statistics(self.words.parts(), nulls)
            }
        };
        let metadata = pages.write(column, packer, start, file)?;
        metadata.set_statistics(statistics).build()
    }

    /// Adds the pages of values: the dictionary, pages with indices, then pages with plain values.
    fn add_coded<V: Values>(&self, values: &Coded<V>, pages: &mut Pages) {
        if let Some(dictionary) = values.dictionary() {
            pages.add_dictionary(dictionary.len(), |out| dictionary.put_plain(out));
        }
        let (coded, plain) = (values.coded(), values.plain());
        let most = |at: usize| match coded.checked_sub(at) {
            None | Some(0) => plain.fill(at - coded, PAGE_BYTES),
            Some(rest) => rest,
        };
        self.add_pages(pages, most, |from, to, out| {
            if from < coded {
                values.put_indices(from, to, out);
                Encoding::RLE_DICTIONARY
            } else {
                plain.put(from - coded, to - coded, out)
            }
        });
    }

    /// Adds data pages. `most` returns how many values from a position on fit on one page; `put`
    /// appends values.
    fn add_pages(
        &self,
        pages: &mut Pages,
        most: impl Fn(usize) -> usize,
        put: impl Fn(usize, usize, &mut Vec<u8>) -> Encoding,
    ) {
        let (mut row, mut value) = (0, 0);
        while row < self.rows {
            let nulls = |to: usize| self.nulls.partition_point(|null| (*null as usize) < to);
            let values = |to: usize| to - nulls(to);
            let limit = value + most(value);
            // As many rows as have that many values, including NULL rows after the last one.
            let (mut to, mut above) = (row, self.rows.min(row + PAGE_ROWS) + 1);
            while to + 1 < above {
                let middle = usize::midpoint(to, above);
                if values(middle) <= limit {
                    to = middle;
                } else {
                    above = middle;
                }
            }
            let end = values(to);
            pages.add(to - row, &self.nulls[nulls(row)..nulls(to)], row, |out| {
                if value < end { put(value, end, out) } else { Encoding::PLAIN }
            });
            (row, value) = (to, end);
        }
    }
}
