//! Which process this is, and whether another one is still there.

use std::fs;

use crate::stores::{Holder, Owner};

/// This process as the owner of leases.
pub fn owner(run: &str) -> Owner {
    let pid = std::process::id();
    Owner {
        user: user(),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid,
        process: fingerprint(pid).unwrap_or_default(),
        run: run.to_owned(),
        token: token(),
        tool: concat!("stepladder ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// The name of the user who runs this process.
pub fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .or_else(user_of_passwd)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// In containers and cron jobs `USER` is often not set.
fn user_of_passwd() -> Option<String> {
    // SAFETY: `getuid` has no preconditions.
    let uid = unsafe { libc::getuid() };
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

/// 128 random bits in hex.
pub fn token() -> String {
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer is ours and its length is given; on a short read the rest is mixed in below.
    let got = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
    if got != 0 {
        let now = jiff::Timestamp::now().as_nanosecond();
        bytes.copy_from_slice(&(now ^ (i128::from(std::process::id()) << 96)).to_le_bytes());
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A new run's id: 12 hex digits of its time in milliseconds, then 4 random ones, which is what people see.
pub fn run_id() -> String {
    let ms = jiff::Timestamp::now().as_millisecond();
    format!("{ms:012x}{}", &token()[..4])
}

/// Boot, pid namespace and start time of a process; none when it is gone or the system does not say.
///
/// Source: proc(5), field 22 of `/proc/PID/stat` is the start time in clock ticks since boot.
pub fn fingerprint(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.to_owned();
    Some(format!("{}:{start}", surroundings()?))
}

/// What must be equal for process ids to mean the same processes.
fn surroundings() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}:{}", boot.trim(), namespace.display()))
}

/// Whether a lease's owner was a process of this host that is certainly gone. A process of another host, boot or
/// container counts as alive: its lease has to expire.
pub fn is_gone(holder: &Holder, here: &Owner) -> bool {
    if holder.host != here.host || holder.process.is_empty() {
        return false;
    }
    let Some(surroundings) = surroundings() else { return false };
    let same_place = holder.process.starts_with(&format!("{surroundings}:"));
    same_place && fingerprint(holder.pid).as_deref() != Some(holder.process.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(owner: &Owner) -> Holder {
        Holder {
            user: owner.user.clone(),
            host: owner.host.clone(),
            pid: owner.pid,
            process: owner.process.clone(),
            run: owner.run.clone(),
            token: owner.token.clone(),
            since_ms: 0,
            idle_ms: 0,
            expires_in_ms: 1000,
        }
    }

    #[test]
    fn a_living_process_is_not_gone_and_a_dead_one_is() {
        let here = owner("r");
        assert!(!is_gone(&holder(&here), &here));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let process = fingerprint(pid).unwrap();
        child.wait().unwrap();
        let dead = Holder { pid, process, ..holder(&here) };
        assert!(is_gone(&dead, &here));
        let elsewhere = Holder { host: "other".to_owned(), ..dead };
        assert!(!is_gone(&elsewhere, &here));
    }

    #[test]
    fn run_ids_sort_as_runs_do() {
        let first = run_id();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(first[..12] < run_id()[..12]);
        assert_eq!(first.len(), 16);
    }
}
