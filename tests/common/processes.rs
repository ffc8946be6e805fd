//! Looks at the processes of this machine, as `ps` does.

use std::fs;
use std::path::Path;

/// A process that is there.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// Its arguments, as everybody on this machine can see them.
    pub arguments: String,
}

/// All processes.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(process).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(Process { pid, parent, arguments: String::from_utf8_lossy(&arguments).replace('\0', " ") })
}

/// A process and everything that it has started, and they in turn.
pub fn family(pid: u32) -> Vec<Process> {
    let all = all();
    let mut family: Vec<Process> = all.iter().filter(|p| p.pid == pid).cloned().collect();
    let mut at = 0;
    while at < family.len() {
        let parent = family[at].pid;
        family.extend(all.iter().filter(|p| p.parent == parent).cloned());
        at += 1;
    }
    family
}

/// The processes that were started in a world, whoever their parents are by now: they have its folder in their
/// environment.
pub fn of_world(folder: &Path) -> Vec<Process> {
    let mark = folder.to_string_lossy().into_owned();
    let ours = std::process::id();
    let in_world = |p: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", p.pid)).unwrap_or_default();
        p.pid != ours && String::from_utf8_lossy(&environment).contains(&mark)
    };
    all().into_iter().filter(in_world).collect()
}
