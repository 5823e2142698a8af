//! CPU time and memory, as the kernel counts them.

use std::fs;

/// Seconds of CPU time that a process has had, user and system.
pub fn of_process(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return 0.0;
    };
    seconds(&stat, [11, 12])
}

/// The sum of two numbers of hundredths of seconds. The name of the command may hold spaces; the numbers begin after its
/// closing parenthesis.
fn seconds(stat: &str, fields: [usize; 2]) -> f64 {
    let all: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields
        .map(|field| all[field].parse::<f64>().unwrap())
        .iter()
        .sum::<f64>()
        / 100.0
}

/// Seconds of CPU time that this thread has had.
pub fn of_this_thread() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Seconds of CPU time of all children of a process, those included that have ended.
pub fn of_children(parent: u32) -> f64 {
    let ended = fs::read_to_string(format!("/proc/{parent}/stat")).map_or(0.0, |stat| seconds(&stat, [13, 14]));
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let alive = pids.filter(|&pid| parent_of(pid) == Some(parent));
    ended + alive.map(of_process).sum::<f64>()
}

/// The parent of a process.
pub fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// A line of a process's memory in megabytes: `VmRSS` is what it has in memory, `VmHWM` the most that it ever had.
pub fn megabytes(pid: u32, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find(|found| found.starts_with(line)).unwrap();
    found.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
