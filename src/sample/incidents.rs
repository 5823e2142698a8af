//! What happens once or now and then, all of it to the first brand: rehearsals, mistakes, experiments, an incident.

use serde_json::json;

use super::build::{Made, Run, delete};
use super::night::{LEARNING_DEVELOPMENT, Night, RETAIL, RETAIL_DEVELOPMENT, RETAIL_STAGING};
use super::retail::{SCHEDULER, audit, by_hand};
use crate::domain::record::ExecutionState;
use crate::domain::time::Granularity;

impl Night {
    /// What is recorded before that which it needs.
    pub fn before_the_night(&mut self) {
        if self.is_first_brand() && self.ago() == 6 {
            // The audit reports before the pipeline does: its input is a placeholder until then.
            let audit = audit(self);
            self.push(audit);
        }
    }

    /// Everything that happens once.
    pub fn after_the_night(&mut self) {
        if !self.is_first_brand() {
            return;
        }
        if self.ago() < 7 {
            self.rehearsal();
        }
        match self.ago() {
            9 => self.experiments(),
            8 => self.samples(),
            5 => self.notebooks(),
            4 => self.lookup_table(),
            3 => self.clean_up(),
            2 => self.bad_upload(),
            1 => self.incident(),
            0 => self.under_way(),
            _ => {}
        }
    }

    fn rehearsal(&mut self) {
        let (started, ended) = (self.minute(90), self.minute(92));
        let day = self.day.label(Granularity::Day);
        let made = Made::new(RETAIL_STAGING.artifact("orders"), format!("{day}-rc"), ended)
            .value("region", "EU")
            .time(self.day.midnight())
            .stored("dataset", ".parquet");
        let run = Run::workflow(RETAIL_STAGING.execution(format!("daily-{day}")), "daily")
            .code("2.5.0-rc.1")
            .by(SCHEDULER);
        let run = run.input(
            "orders",
            &RETAIL.artifact("orders"),
            self.orders_version(self.day, "EU"),
        );
        self.push(run.succeeded(started, ended).output("orders", made).record());
    }

    /// Trained by hand: one fails, one is stopped, one is good and one of its kind is deleted later.
    fn experiments(&mut self) {
        let models = LEARNING_DEVELOPMENT.artifact("models/demand_forecast");
        let (snapshot, of_today) = self.snapshot_of_today();
        for number in 1..=4_i32 {
            let key = LEARNING_DEVELOPMENT.execution(format!("experiment-{number:02}"));
            let mut run = Run::workflow(key, "train_forecast")
                .code("5.1.0-dev")
                .by("bob@ml.example")
                .attempt(1);
            run = run.input("snapshot", &snapshot, of_today.clone());
            let started = self.minute(600 + 60 * i64::from(number));
            let ended = self.minute(630 + 60 * i64::from(number));
            let run = match number {
                1 => run.failed(started, ended, "ValueError: learning rate must be positive"),
                2 => run.ended(ExecutionState::Aborted, started, ended),
                _ => {
                    let accuracy = if number == 3 { 0.412 } else { 0.951 };
                    let made = Made::new(models.clone(), format!("bob-{number}"), ended)
                        .value("region", "EU")
                        .value("model", "transformer")
                        .stored("model", ".pt")
                        .metadata(json!({ "accuracy": accuracy, "epochs": 40 }))
                        .card(format!(
                            "# Experiment {number}\n\nA transformer instead of trees: accuracy {accuracy}.\n"
                        ));
                    run.succeeded(started, ended).output("model", made)
                }
            };
            self.push(run.record());
        }
    }

    /// Samples for development, and an execution that has read one of them.
    fn samples(&mut self) {
        let samples = RETAIL_DEVELOPMENT.artifact("orders_sample");
        for (name, rows) in [("one-percent", 1_350), ("broken-encoding", 20), ("returns-only", 400)] {
            let made = Made::new(samples.clone(), name, self.minute(540)).stored("dataset", ".csv");
            self.push(made.metadata(json!({ "rows": rows, "format": "csv" })).record());
        }
        let run = Run::workflow(RETAIL_DEVELOPMENT.execution("try-parser"), "try_parser").by("dana@retail.example");
        let (started, ended) = (self.minute(550), self.minute(551));
        let run = run.input("sample", &samples, "broken-encoding");
        self.push(
            run.failed(started, ended, "UnicodeDecodeError: invalid start byte at 17")
                .record(),
        );
    }

    /// Nobody declared this artifact: its keys are what its versions bring.
    fn notebooks(&mut self) {
        let notebooks = LEARNING_DEVELOPMENT.artifact("notebooks/exploration");
        let noon = self.minute(720);
        let made = |version: &str| Made::new(notebooks.clone(), version, noon).stored("notebook", ".ipynb");
        let written = [
            made("untitled-1"),
            made("seasonality").value("author", "alice"),
            made("returns").value("author", "bob").value("topic", "returns"),
            made("black-friday")
                .value("author", "alice")
                .value("topic", "promotions")
                .time(self.day.at(36_000)),
        ];
        written.into_iter().for_each(|notebook| self.push(notebook.record()));
    }

    /// An execution that reads a version and claims to have made the same one: a cycle.
    fn lookup_table(&mut self) {
        let table = RETAIL_DEVELOPMENT.artifact("lookup_table");
        let first = Made::new(table.clone(), "current", self.minute(30))
            .stored("table", "")
            .metadata(json!({ "rows": 77 }));
        self.push(first.clone().record());
        let (started, ended) = (self.minute(700), self.minute(701));
        let run =
            Run::workflow(RETAIL_DEVELOPMENT.execution("refresh-lookup"), "refresh_lookup").by("dana@retail.example");
        let run = run.input("table", &table, "current").output("table", first);
        self.push(run.succeeded(started, ended).record());
    }

    /// Deletes a sample that was read, and an experiment that was no good.
    fn clean_up(&mut self) {
        self.push(delete(
            RETAIL_DEVELOPMENT.artifact("orders_sample"),
            "broken-encoding".to_owned(),
        ));
        self.push(delete(
            LEARNING_DEVELOPMENT.artifact("models/demand_forecast"),
            "bob-3".to_owned(),
        ));
    }

    /// A version without the region that its artifact declares: kept, flagged, found by no partition query.
    fn bad_upload(&mut self) {
        let uploaded = self.minute(500);
        let made = Made::new(RETAIL_STAGING.artifact("orders"), "manual-upload", uploaded)
            .time(self.day.midnight())
            .stored("dataset", ".csv")
            .described("Uploaded by hand, and the region was forgotten.");
        self.push(made.record());
    }

    /// An hour of measurements by the minute, all from one probe.
    fn incident(&mut self) {
        let (started, ended) = (self.day.at(14 * 3_600), self.day.at(15 * 3_600 + 20));
        let mut run = by_hand(self, "probe", "probe_checkout", "svc-probe");
        for minute in 0..60 {
            let start = self.day.at(14 * 3_600 + minute * 60);
            let milliseconds = self.rng.i64(180..240) + if (20..35).contains(&minute) { 2_600 } else { 0 };
            let label = format!("{}T14:{minute:02}", self.day.label(Granularity::Day));
            let made = Made::new(
                RETAIL.artifact("metrics/checkout_latency"),
                label,
                self.day.at(14 * 3_600 + minute * 60 + 75),
            )
            .time(start)
            .stored("metric", ".json")
            .metadata(json!({ "p95Milliseconds": milliseconds }));
            run = run.output(format!("minute-{minute:02}"), made);
        }
        self.push(run.succeeded(started, ended).record());
    }

    /// The next day has begun: a workflow runs, its first task waits.
    fn under_way(&mut self) {
        let tomorrow = self.day.plus(1).label(Granularity::Day);
        let daily = RETAIL.execution(format!("daily-{tomorrow}"));
        let started = self.minute(420);
        self.push(
            Run::workflow(daily.clone(), "daily")
                .code("2.4.0")
                .by(SCHEDULER)
                .running(started)
                .record(),
        );
        let task = Run::task(&daily, "ingest-orders-EU", "ingest_orders")
            .code("2.4.0")
            .by(SCHEDULER);
        self.push(task.queued().record());
    }
}
