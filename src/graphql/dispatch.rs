//! Where the reads of one request run: beside its resolvers, on the same task, all of a level at once.
//!
//! A resolver never talks to the database. It leaves a read here and waits. When every resolver that can run has run, the
//! reads left so far are started together, and when all of them are done, the resolvers go on. So the reads of one level of a
//! query are always collected whole, however many rows there are and whatever the machine is doing: the number of SQL
//! statements of a query is a property of the query. It also means that no resolver holds a connection while it waits,
//! and that a request which is given up takes its reads with it.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::runtime::Timer;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::{AtomicWaker, FutureObj, Spawn, SpawnError};

/// How often resolvers that wake themselves go on before another request has its turn.
const ROUNDS: usize = 32;

/// The reads that the resolvers of one request have left. Cheap to clone.
#[derive(Clone, Default)]
pub struct Dispatcher(Arc<Mutex<Vec<FutureObj<'static, ()>>>>);

impl Dispatcher {
    /// Runs the resolvers of a request, `work`, and the reads that they leave here.
    pub async fn drive<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut reads = FuturesUnordered::new();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        poll_fn(|context| {
            flag.outer.register(context.waker());
            for _ in 0..ROUNDS {
                while !reads.is_empty() {
                    // The resolvers stand still meanwhile: what they would ask next belongs to the next level.
                    if reads.poll_next_unpin(context).is_pending() {
                        return Poll::Pending;
                    }
                }
                flag.woken.store(false, Ordering::Release);
                if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(output);
                }
                // Long lists of resolvers are polled in portions: those that wake themselves are not done with this level.
                if flag.woken.load(Ordering::Acquire) {
                    continue;
                }
                let left = self.take();
                if left.is_empty() {
                    return Poll::Pending;
                }
                reads.extend(left);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    fn take(&self) -> Vec<FutureObj<'static, ()>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dispatcher")
    }
}

impl Spawn for Dispatcher {
    fn spawn_obj(&self, read: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        Ok(())
    }
}

/// Tells whether the resolvers were woken, and wakes the request's task.
#[derive(Default)]
struct Flag {
    woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.outer.wake();
    }
}

/// The timer of a DataLoader whose batch is whole by the time that it runs.
pub struct NoDelay;

impl Timer for NoDelay {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use async_graphql::dataloader::{DataLoader, Loader};
    use futures_util::future::join_all;

    use super::{Dispatcher, NoDelay};

    /// Doubles numbers, and notes how many came in each batch.
    struct Double(Arc<Mutex<Vec<usize>>>);

    impl Loader<u32> for Double {
        type Value = u32;
        type Error = Infallible;

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, u32>, Infallible> {
            self.0.lock().unwrap().push(keys.len());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            Ok(keys.iter().map(|&key| (key, 2 * key)).collect())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_level_is_one_batch_however_many_ask() {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let dispatcher = Dispatcher::default();
        let loader =
            DataLoader::new(Double(Arc::clone(&batches)), dispatcher.clone(), NoDelay).max_batch_size(usize::MAX);
        let loader = &loader;
        let two_levels = |key: u32| async move {
            let once = loader.load_one(key).await.unwrap().unwrap();
            loader.load_one(1_000_000 + once).await.unwrap().unwrap()
        };
        let sums = dispatcher.drive(join_all((0..10_000).map(two_levels))).await;
        assert_eq!(sums[3], 2_000_012);
        assert_eq!(*batches.lock().unwrap(), [10_000, 10_000]);
    }

    #[tokio::test]
    async fn work_may_wait_for_other_things_than_reads() {
        let slow = async {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            7
        };
        assert_eq!(Dispatcher::default().drive(slow).await, 7);
    }
}
