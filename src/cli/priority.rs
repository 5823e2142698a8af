//! Work that gives way to requests where the processors are busy.

/// Has this thread, and those that it starts from now on, give way to others: beside a busy one it gets a third of the time.
///
/// On Linux, where threads have a priority of their own, which counts among the processes of one session or one control group; nothing
/// happens elsewhere, nor where the system does not allow it.
pub fn give_way() {
    // More than these steps would keep the store locked for long where requests leave little time.
    #[cfg(target_os = "linux")]
    const STEPS: i32 = 5;
    // To be as important as before is no reason not to do the work.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(STEPS);
}
