//! A client's two ends: what it is told and what it prints, each on a thread of its own.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::Running;

/// Scripts that a client has before it at most, so that it never waits for us.
pub const AHEAD: usize = 16;
/// Scripts are fed ahead only while they are this quick: whoever asks to stop should not have to wait for many.
pub const QUICK: Duration = Duration::from_millis(100);

/// Bytes kept of what a script prints, from its end.
const KEEP: usize = 2 << 20;

/// Adds a line to what a script has printed; of an endless flood the end is kept.
pub fn keep(printed: &mut String, line: &str) {
    printed.push_str(line);
    printed.push('\n');
    if printed.len() > 2 * KEEP {
        let cut = (printed.len() - KEEP..printed.len()).find(|at| printed.is_char_boundary(*at));
        printed.drain(..cut.unwrap_or(0));
    }
}

/// Writes: a client reads only as fast as it works, and a text may be longer than the pipe is wide. Dropping the sender is the
/// end of the client's input.
pub fn speak(running: &mut Running) -> Sender<String> {
    let (sender, receiver) = channel::<String>();
    let stdin = running.stdin.take();
    thread::spawn(move || {
        let Some(mut stdin) = stdin else { return };
        for text in receiver {
            // A client that has gone says so through its end.
            if stdin.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Reads, in whole lines unless one has more than `longest` bytes.
pub fn listen(running: &mut Running, longest: usize) -> Receiver<Vec<String>> {
    let (sender, receiver) = sync_channel(64);
    let stdout = running.stdout.take();
    thread::spawn(move || {
        let Some(mut stdout) = stdout else { return };
        let (mut buffer, mut rest) = (vec![0u8; 1 << 16], Vec::new());
        while let Ok(n @ 1..) = stdout.read(&mut buffer) {
            rest.extend_from_slice(&buffer[..n]);
            let end = match rest.iter().rposition(|b| *b == b'\n') {
                Some(at) => at + 1,
                None if rest.len() > longest => rest.len(),
                None => continue,
            };
            let lines = String::from_utf8_lossy(&rest[..end]).lines().map(str::to_owned).collect();
            rest.drain(..end);
            if sender.send(lines).is_err() {
                return;
            }
        }
        let _ = sender.send(vec![String::from_utf8_lossy(&rest).into_owned()]);
    });
    receiver
}
