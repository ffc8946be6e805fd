//! What happens on a terminal only: questions, a typed confirmation, progress, Ctrl-C. The terminal is a real one, a
//! pseudo-terminal whose other end the test types on and reads from.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::world::World;

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command on a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    looked_at: usize,
}

impl Terminal {
    fn start(world: &World, line: &str) -> Self {
        let (ours, theirs) = pair();
        let mut command = world.command(line);
        let end = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
        // SAFETY: both calls may be made between fork and exec; they make the terminal the command's own.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the binary runs");
        drop(command);
        drop(theirs);
        let keyboard = File::from(ours);
        let mut from = keyboard.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux says EIO when the other end is closed.
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, screen, shown: String::new(), looked_at: 0 }
    }

    /// Waits until this is shown, behind what was waited for before.
    fn sees(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.looked_at..].find(text) {
                self.looked_at += at + text.len();
                return self;
            }
            assert!(Instant::now() < deadline && self.reads(), "`{text}` was not shown:\n{}", self.shown);
        }
    }

    /// Takes in what is shown next; false when nothing more can come.
    fn reads(&mut self) -> bool {
        match self.screen.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Waits until what is typed is not shown any more.
    fn waits_for_silence(&mut self) -> &mut Self {
        use std::os::fd::AsRawFd;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // SAFETY: an all-zero `termios` is a value of its type, and the descriptor is a terminal's.
            let (asked, settings) = unsafe {
                let mut settings: libc::termios = std::mem::zeroed();
                (libc::tcgetattr(self.keyboard.as_raw_fd(), &raw mut settings), settings)
            };
            if asked == 0 && settings.c_lflag & libc::ECHO == 0 {
                return self;
            }
            assert!(Instant::now() < deadline, "it goes on showing what is typed:\n{}", self.shown);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn types(&mut self, text: &str) -> &mut Self {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal takes it");
        self
    }

    /// Waits for the end: everything that was shown, and the exit code.
    fn ends(mut self) -> (String, i32) {
        let deadline = Instant::now() + PATIENCE;
        while self.reads() {
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.shown);
        }
        let status = self.child.wait().expect("its end");
        (std::mem::take(&mut self.shown), status.code().unwrap_or(-1))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a terminal of 80 columns.
fn pair() -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: all pointers are to live variables or null; the descriptors are checked and owned from here on.
    unsafe {
        let opened =
            libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size);
        assert_eq!(opened, 0, "no pseudo-terminal: {}", std::io::Error::last_os_error());
        // The command must not hold our end open.
        libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(theirs, libc::F_SETFD, libc::FD_CLOEXEC);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

#[test]
fn a_missing_connection_is_asked_for_and_its_password_not_shown() {
    let world = World::new()
        .file("migrations/postgres/001_a.up.sql", "select 1;\n")
        .file("migrations/postgres/001_a.down.sql", "select 1;\n");
    let mut terminal = Terminal::start(&world, "up");
    terminal.sees("Set POSTGRES_URL to be asked no more.");
    terminal.sees("host [localhost]: ").types("127.0.0.1\n");
    terminal.sees("port [5432]: ").types("1\n");
    terminal.sees("database: ").types("shop\n");
    terminal.sees("user: ").types("deploy\n");
    terminal.sees("password: ").waits_for_silence().types("unseen-7716\n");
    let (shown, code) = terminal.ends();
    assert_eq!(code, 6, "{shown}");
    assert!(!shown.contains("unseen-7716") && shown.contains("127.0.0.1:1"), "{shown}");
}

#[test]
fn a_question_that_is_not_answered_ends_the_command() {
    let world = World::new()
        .file("migrations/postgres/001_a.up.sql", "select 1;\n")
        .file("migrations/postgres/001_a.down.sql", "select 1;\n");
    let mut terminal = Terminal::start(&world, "up");
    // Ctrl-D.
    terminal.sees("host [localhost]: ").types("\x04");
    let (shown, code) = terminal.ends();
    assert_eq!(code, 2, "{shown}");
}

#[test]
fn dropping_everything_wants_the_name_of_the_store_typed() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    let before = world.snapshot();
    let mut terminal = Terminal::start(&world, "fresh");
    terminal.sees("key 001_a").sees("memory").types("yes\n");
    let (shown, code) = terminal.ends();
    assert_ne!(code, 0, "{shown}");
    assert_eq!(world.snapshot(), before, "{shown}");

    let mut terminal = Terminal::start(&world, "fresh");
    terminal.sees("key 001_a").sees(": ").types("memory\n");
    let (shown, code) = terminal.ends();
    assert!(code == 0 && shown.contains("1 applied in 1 store"), "{shown}");
}

#[test]
fn a_running_step_shows_its_time_and_ctrl_c_ends_it_whole() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_slow.up.mem", "set b 1\nsleep 60000\n")
        .file("migrations/memory/002_slow.down.mem", "delete b\n");
    let mut terminal = Terminal::start(&world, "up");
    terminal.sees("001_a").sees("002_slow").sees("1s").types("\x03");
    let (shown, code) = terminal.ends();
    assert_eq!(code, 130, "{shown}");
    let status = world.run("status").stdout;
    assert!(status.contains("1 applied · 1 pending"), "{status}");
    assert!(world.ok("lock").stdout.contains("free"), "the lease is given back");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let world = World::with_memory(&["001_a"]);
    let (plain, _) = Terminal::start(&world, "status --color never").ends();
    let (coloured, _) = Terminal::start(&world, "status").ends();
    let world = world.variable("NO_COLOR", "1");
    let (asked_not_to, _) = Terminal::start(&world, "status").ends();
    assert!(coloured.contains("\x1b["), "{coloured:?}");
    assert!(!plain.contains("\x1b[") && !asked_not_to.contains("\x1b["), "{plain:?} {asked_not_to:?}");
}
