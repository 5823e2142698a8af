//! Work that every element of a list needs, on all processors.

use std::sync::LazyLock;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// From how many bytes on a text is large: whoever reads it keeps others waiting, and to wake other threads for it pays.
pub const LARGE: usize = 64 * 1024;

/// Stack of each thread. What is deeply nested takes much of it, and a thread that waits for another takes up more work on top.
const STACK: usize = 8 * 1024 * 1024;

/// As many threads as processors, however many ask; none where the system gives none.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().thread_name(|number| format!("reader-{number}"));
    let pool = pool.stack_size(STACK).build();
    pool.inspect_err(|error| tracing::warn!(%error, "large texts are read by one thread each"))
        .ok()
});

/// What becomes of each element, in the order of the list; together they are so many bytes. Where that is large, the thread that asks
/// waits until others have done it: it must be none that answers small requests.
pub fn map<T: Send, R: Send>(list: Vec<T>, bytes: usize, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    // The pool is made when it is first needed.
    if bytes >= LARGE
        && list.len() > 1
        && let Some(pool) = &*POOL
    {
        pool.install(|| list.into_par_iter().map(work).collect())
    } else {
        list.into_iter().map(work).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGE, map};

    #[test]
    fn the_order_is_that_of_the_list() {
        for length in [0, 1, 2, 10_000] {
            let list: Vec<usize> = (0..length).collect();
            let expected: Vec<usize> = list.iter().map(|n| n * 2).collect();
            for bytes in [0, LARGE] {
                assert_eq!(map(list.clone(), bytes, |n| n * 2), expected);
            }
        }
    }
}
