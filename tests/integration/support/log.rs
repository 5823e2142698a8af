//! What a request leaves in the log: how many SQL statements it has cost.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, Once},
};

use tracing::{Event, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{Layer, field::Visit, fmt, layer::Context, layer::SubscriberExt, util::SubscriberInitExt};

/// The statements of each request, by its id.
static STATEMENTS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

/// Listens from now on; warnings are shown with a test that fails.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let warnings = fmt::layer().with_test_writer().with_filter(LevelFilter::WARN);
        tracing_subscriber::registry().with(Requests).with(warnings).init();
    });
}

/// How many statements a request has cost, if its line has come.
pub fn statements(request_id: &str) -> Option<u64> {
    STATEMENTS.lock().unwrap().remove(request_id)
}

struct Requests;

impl<S: Subscriber> Layer<S> for Requests {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "heirloom::request" {
            let mut line = Line::default();
            event.record(&mut line);
            if let (Some(id), Some(statements)) = (line.request_id, line.statements) {
                STATEMENTS.lock().unwrap().insert(id, statements);
            }
        }
    }
}

#[derive(Default)]
struct Line {
    request_id: Option<String>,
    statements: Option<u64>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "request_id" {
            self.request_id = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "statements" {
            self.statements = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
