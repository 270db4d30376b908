//! Files cut into what is worked on at once. Pure.

use super::Reading;
use std::ops::Range;

/// Most records judged in one operation of the journal, so that a bulk file does not keep others waiting for the writer.
const CHUNK: usize = 128;
/// Records looked up and handed to the journal at once.
const WINDOW: usize = 512;
/// Text that is read into records at once, bytes: a record takes some times the memory of its text.
const WINDOW_BYTES: usize = 1 << 20;

/// Some rows of one file: what one operation of the journal admits.
pub(super) struct Chunk {
    /// Place of the file among those that were read.
    pub reading: usize,
    /// The rows.
    pub rows: Range<usize>,
}

/// Cuts the files into chunks, and groups those into windows of about [`WINDOW`] records and [`WINDOW_BYTES`].
pub(super) fn windows<H>(readings: &[Reading<H>]) -> Vec<Vec<Chunk>> {
    let mut windows: Vec<Vec<Chunk>> = Vec::new();
    let (mut records, mut bytes) = (WINDOW, 0);
    for (reading, one) in readings.iter().enumerate() {
        let Ok(parsed) = &one.parsed else { continue };
        for rows in chunks(parsed.count(), |place| parsed.size(place)) {
            if records >= WINDOW || bytes >= WINDOW_BYTES {
                windows.push(Vec::new());
                (records, bytes) = (0, 0);
            }
            records += rows.len();
            bytes += rows.clone().map(|place| parsed.size(place)).sum::<usize>();
            if let Some(window) = windows.last_mut() {
                window.push(Chunk { reading, rows });
            }
        }
    }
    windows
}

/// Cuts rows into runs of at most [`CHUNK`] that end with the first row beyond [`WINDOW_BYTES`].
fn chunks(rows: usize, size: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for place in 0..rows {
        bytes += size(place);
        let end = place + 1;
        if end - start == CHUNK || bytes >= WINDOW_BYTES || end == rows {
            chunks.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_once_and_are_bounded_in_rows_and_bytes() {
        for sizes in [vec![100; 1000], vec![WINDOW_BYTES; 3], vec![WINDOW_BYTES / 3; 7], vec![1], vec![]] {
            let chunks = chunks(sizes.len(), |place| sizes[place]);
            let rows: Vec<usize> = chunks.iter().cloned().flatten().collect();
            assert_eq!(rows, (0..sizes.len()).collect::<Vec<_>>());
            for chunk in chunks {
                let all_but_last = chunk.start..chunk.end - 1;
                assert!(chunk.len() <= CHUNK && all_but_last.map(|p| sizes[p]).sum::<usize>() < WINDOW_BYTES);
            }
        }
    }
}
