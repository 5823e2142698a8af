//! Work that gives way to requests where the processors are busy.

/// How far: a thread that gives way gets a third of the time of one that does not, and waits when the other has something to do.
/// More would keep the store locked for long where requests leave it little.
#[cfg(target_os = "linux")]
const STEPS: i32 = 5;

/// Has this thread, and those that it starts from now on, give way to others: to what a person or a pipeline waits for.
///
/// On Linux, where threads have a priority of their own; nothing happens elsewhere, nor where the system does not allow it.
#[cfg(target_os = "linux")]
pub fn give_way() {
    // To be as important as before is no reason not to do the work.
    let _ = rustix::process::nice(STEPS);
}

/// Has this thread, and those that it starts from now on, give way to others: to what a person or a pipeline waits for.
///
/// On Linux, where threads have a priority of their own; nothing happens elsewhere, nor where the system does not allow it.
#[cfg(not(target_os = "linux"))]
pub fn give_way() {}
