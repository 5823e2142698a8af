//! Work that every element of a list needs, on all processors.

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

/// Shorter lists are worked on by the thread that asks: to wake others takes as long.
const FEW: usize = 16;

/// What becomes of each element, in the order of the list. The thread that asks waits until all is done.
pub fn map<T: Send, R: Send>(list: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if list.len() < FEW {
        list.into_iter().map(work).collect()
    } else {
        list.into_par_iter().with_min_len(FEW / 4).map(work).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, map};

    #[test]
    fn the_order_is_that_of_the_list() {
        for length in [0, 1, FEW - 1, FEW, 10_000] {
            let list: Vec<usize> = (0..length).collect();
            let expected: Vec<usize> = list.iter().map(|n| n * 2).collect();
            assert_eq!(map(list, |n| n * 2), expected);
        }
    }
}
