//! Output that waits: a little of it in memory, the rest in a file without a name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::screen::Screen;
use crate::core::observer::Stream;

/// How much is kept in memory, in bytes.
const MEMORY_BYTES_MAX: usize = 128 * 1024;

/// How much is read back at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Output that waits, in order.
#[derive(Debug, Default)]
pub struct Spool {
    /// The streams in turn, with how many bytes of each.
    pieces: Vec<(Stream, usize)>,
    memory: Vec<u8>,
    file: Option<File>,
}

impl Spool {
    /// Adds output.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some((last, count)) if *last == stream => *count += bytes.len(),
            _ => self.pieces.push((stream, bytes.len())),
        }
        if self.memory.len() + bytes.len() > MEMORY_BYTES_MAX && self.spill().is_ok() {
            let written = self.file.as_mut().map(|file| file.write_all(bytes));
            if matches!(written, Some(Ok(()))) {
                return;
            }
        }
        // Without room for the file there is still memory; better slow than lost.
        self.memory.extend_from_slice(bytes);
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(nameless()?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.memory)?;
            self.memory.clear();
        }
        Ok(())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Shows it all, and ends its last line.
    pub fn show(mut self, screen: &mut Screen) {
        let mut waiting = Waiting {
            file: self.file.take(),
            memory: self.memory,
            at: 0,
        };
        if let Some(file) = &mut waiting.file {
            // A file that can't be read from its start is shown as far as it can.
            let _ = file.seek(SeekFrom::Start(0));
        }
        let mut last = None;
        for (stream, mut left) in self.pieces {
            while left > 0 {
                let chunk = waiting.next(left.min(CHUNK_BYTES));
                if chunk.is_empty() {
                    return;
                }
                left -= chunk.len();
                last = chunk.last().map(|byte| (stream, *byte));
                screen.write(stream, &chunk);
            }
        }
        if let Some((stream, _)) = last.filter(|(_, byte)| *byte != b'\n') {
            screen.write(stream, b"\n");
        }
    }
}

struct Waiting {
    file: Option<File>,
    memory: Vec<u8>,
    at: usize,
}

impl Waiting {
    fn next(&mut self, count: usize) -> Vec<u8> {
        if let Some(file) = &mut self.file {
            let mut chunk = vec![0; count];
            if let Ok(read @ 1..) = file.read(&mut chunk) {
                chunk.truncate(read);
                return chunk;
            }
            self.file = None;
        }
        let end = (self.at + count).min(self.memory.len());
        let chunk = self.memory[self.at..end].to_vec();
        self.at = end;
        chunk
    }
}

/// A file that nobody else can open and that is gone with the process.
fn nameless() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let path = folder.join(format!(".flow-{}-{:x}", std::process::id(), unique()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        for seed in 0..40 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut screen, written) = Screen::memory();
            let (mut spool, mut expected) = (Spool::default(), [Vec::new(), Vec::new()]);
            for _ in 0..rng.usize(1..60) {
                let stream = if rng.bool() {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                };
                let size = rng.usize(0..20_000);
                let chunk: Vec<u8> = (0..size).map(|_| rng.u8(b'a'..=b'z')).collect();
                spool.add(stream, &chunk);
                expected[usize::from(stream == Stream::Stderr)].extend(chunk);
            }
            spool.show(&mut screen);
            for (place, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
                let written = written.lock().expect("one thread");
                let own = written.iter().filter(|(of, _)| *of == stream);
                let bytes = own.flat_map(|(_, bytes)| bytes.clone());
                let own: Vec<u8> = bytes.filter(|byte| *byte != b'\n').collect();
                assert!(
                    own == expected[place],
                    "stream {place} of seed {seed} differs"
                );
            }
        }
    }
}
