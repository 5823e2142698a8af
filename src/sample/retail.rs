//! The shop: hourly clicks, daily orders with their chain of snapshots, reports.

use serde_json::json;

use super::build::{Made, Run};
use super::calendar::Day;
use super::night::{Night, REGIONS, RETAIL};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{ExecutionKind, Record};
use crate::domain::time::{Granularity, Timestamp};

/// Who runs the shop's pipelines.
pub(super) const SCHEDULER: &str = "svc-scheduler";
/// The dataset of a partner, which the shop reads and nobody records.
const PARTNER: &str = "s3://partner-apac/orders export";

impl Night {
    /// Everything of the shop.
    pub fn retail(&mut self) {
        if self.has_clicks(self.day) {
            self.clicks();
        }
        let daily = RETAIL.execution(self.name(&format!("daily-{}", self.day.label(Granularity::Day))));
        let started = self.minute(60);
        let workflow = Run::workflow(daily.clone(), "daily").code("2.4.0").by(SCHEDULER);
        self.push(workflow.clone().running(started).record());
        for region in REGIONS {
            self.orders(&daily, region);
        }
        if self.has_clicks(self.day) {
            self.sessions(&daily);
        }
        self.snapshot(&daily);
        let ended = self.minute(160);
        self.push(workflow.succeeded(started, ended).record());
        if self.day.ends(Granularity::Week) {
            REGIONS.into_iter().for_each(|region| self.weekly_sales(region));
        }
        if self.day.ends(Granularity::Month) {
            self.monthly_revenue();
            self.annual_summary();
        }
    }

    /// The version of a region's orders of a day: that of the first delivery.
    pub fn orders_version(&self, day: Day, region: &str) -> String {
        format!("f{}/n0/0/o0", self.hex(&format!("orders {region}"), day))
    }

    /// The version of a day's sessions.
    pub fn sessions_version(&self, day: Day) -> String {
        self.hex("sessions", day)
    }

    /// Whether the clicks of a day are there, and so its sessions.
    pub fn has_clicks(&self, day: Day) -> bool {
        day.since(self.world.first) >= self.world.hourly_from()
    }

    fn clicks(&mut self) {
        let artifact = self.artifact(RETAIL, "raw/clicks");
        for hour in 0..24 {
            let start = self.day.at(hour * 3_600);
            let label = format!("{}T{hour:02}", self.day.label(Granularity::Day));
            let ended = self.day.at((hour + 1) * 3_600 + self.rng.i64(200..600));
            let rows = (6_000 + 4_000 * (hour - 4).clamp(0, 12)) + self.rng.i64(0..2_000);
            let made = Made::new(artifact.clone(), &label, ended)
                .time(start)
                .stored("dataset", ".parquet")
                .metadata(json!({ "rows": rows, "bytes": rows * 143, "format": "parquet" }));
            let key = RETAIL.execution(self.name(&format!("ingest-clicks-{label}")));
            let run = Run::new(ExecutionKind::Task, key, "ingest_clicks")
                .attempt(1)
                .by("svc-ingest");
            let started = self.day.at((hour + 1) * 3_600 + 60);
            self.push(run.succeeded(started, ended).output("clicks", made).record());
        }
    }

    fn orders(&mut self, daily: &ExecutionKey, region: &str) {
        let node = format!("ingest-orders-{region}");
        let task = |node: &str| Run::task(daily, node, "ingest_orders").code("2.4.0").by(SCHEDULER);
        let (mut started, mut attempt) = (self.minute(65), task(&node));
        if region == "US" && self.ago() % 9 == 4 {
            let gave_up = self.minute(72);
            self.push(
                attempt
                    .failed(
                        started,
                        gave_up,
                        "ConnectionError: shop-us.internal:5432 refused the connection",
                    )
                    .record(),
            );
            (started, attempt) = (self.minute(80), task(&format!("{node}/attempt-2")).attempt(2));
        }
        let ended = self.minute(95);
        let made = self.orders_made(region, self.orders_version(self.day, region), ended);
        if region == "APAC" {
            let partner = RETAIL.artifact(PARTNER);
            attempt = attempt.input("export", &partner, self.day.label(Granularity::Month));
        }
        let seconds = self.rng.i64(20..400);
        attempt = attempt
            .metadata(json!({ "cpuSeconds": seconds }))
            .output("orders", made);
        self.push(attempt.succeeded(started, ended).record());
        if region == "EU" && self.ago() % 23 == 3 {
            self.orders_again(region);
        }
    }

    fn orders_made(&mut self, region: &str, version: String, created_at: Timestamp) -> Made {
        let rows = match region {
            "EU" => self.rng.i64(40_000..52_000),
            "US" => self.rng.i64(55_000..70_000),
            _ => self.rng.i64(21_000..30_000),
        };
        Made::new(self.artifact(RETAIL, "orders"), version, created_at)
            .value("region", region)
            .time(self.day.midnight())
            .stored("dataset", ".parquet")
            .metadata(json!({ "rows": rows, "bytes": rows * 412, "format": "parquet", "schemaVersion": 3 }))
    }

    /// The shop delivers once more, later in the morning: the partition has a second version, which nothing has read yet.
    fn orders_again(&mut self, region: &str) {
        let (started, ended) = (self.minute(580), self.minute(600));
        let version = format!("f{}/n0/0/o0", self.hex(&format!("redelivery {region}"), self.day));
        let made = self
            .orders_made(region, version, ended)
            .described("Delivered again: the first delivery lacked returns.");
        let key = RETAIL.execution(self.name(&format!("redelivery-{}-{region}", self.day.label(Granularity::Day))));
        let run = Run::workflow(key, "redelivery").by("dana@retail.example");
        self.push(run.succeeded(started, ended).output("orders", made).record());
    }

    fn sessions(&mut self, daily: &ExecutionKey) {
        let (started, ended) = (self.minute(100), self.minute(110));
        let visits = self.rng.i64(90_000..120_000);
        let made = Made::new(
            self.artifact(RETAIL, "sessions"),
            self.sessions_version(self.day),
            ended,
        )
        .time(self.day.midnight())
        .stored("dataset", ".parquet")
        .metadata(json!({ "rows": visits, "bytes": visits * 96, "format": "parquet" }));
        let clicks = self.artifact(RETAIL, "raw/clicks");
        let day = self.day.label(Granularity::Day);
        let read_clicks = |run: Run| {
            (0..24).fold(run, |run, h| {
                run.input(format!("hour-{h:02}"), &clicks, format!("{day}T{h:02}"))
            })
        };
        let run = read_clicks(Run::task(daily, "sessions", "sessionize").code("1.9.2").by(SCHEDULER));
        self.push(run.succeeded(started, ended).output("sessions", made.clone()).record());
        if self.ago() % 10 == 5 {
            // Run again by hand: its cache answers with the version that is there.
            let key = RETAIL.execution(self.name(&format!("backfill-{day}")));
            let (started, ended) = (self.minute(480), self.minute(481));
            let run = read_clicks(Run::workflow(key, "sessionize").code("1.9.2").by("dana@retail.example"));
            let run = run.metadata(json!({ "cacheHit": true }));
            self.push(run.succeeded(started, ended).output("sessions", made).record());
        }
    }

    fn snapshot(&mut self, daily: &ExecutionKey) {
        let (started, ended) = (self.minute(120), self.minute(150));
        let snapshot = self.artifact(RETAIL, "orders_snapshot");
        let orders = self.artifact(RETAIL, "orders");
        let mut run = Run::task(daily, "merge-snapshot", "merge_snapshot")
            .code("2.4.0")
            .by(SCHEDULER);
        if self.index > 0 {
            run = run.input("yesterday", &snapshot, self.day.plus(-1).label(Granularity::Day));
        }
        for region in REGIONS {
            run = run.input(
                format!("orders-{region}"),
                &orders,
                self.orders_version(self.day, region),
            );
        }
        let rows = 12_000_000 + self.index * 135_000 + self.rng.i64(0..9_000);
        let made = Made::new(snapshot, self.day.label(Granularity::Day), ended)
            .time(self.day.midnight())
            .stored("table", "")
            .metadata(json!({ "rows": rows, "bytes": rows * 207, "format": "iceberg" }));
        self.push(run.succeeded(started, ended).output("snapshot", made).record());
    }

    fn weekly_sales(&mut self, region: &str) {
        let week = self.day.label(Granularity::Week);
        let key = RETAIL.execution(self.name(&format!("weekly-sales-{week}-{region}")));
        let (started, ended) = (self.minute(360), self.minute(375));
        let orders = self.artifact(RETAIL, "orders");
        let mut run = Run::workflow(key, "weekly_sales").by(SCHEDULER);
        for day in self.days_of(Granularity::Week) {
            run = run.input(day.label(Granularity::Day), &orders, self.orders_version(day, region));
        }
        let made = Made::new(
            self.artifact(RETAIL, "reports/weekly_sales"),
            format!("{week}-{region}"),
            ended,
        )
        .value("region", region)
        .time(self.day.midnight())
        .stored("report", ".html")
        .metadata(json!({ "revenue": self.rng.i64(2_000_000..4_500_000), "currency": "EUR" }));
        self.push(run.succeeded(started, ended).output("report", made).record());
    }

    fn monthly_revenue(&mut self) {
        let month = self.day.label(Granularity::Month);
        let key = RETAIL.execution(self.name(&format!("monthly-revenue-{month}")));
        let (started, ended) = (self.minute(390), self.minute(410));
        let snapshot = self.artifact(RETAIL, "orders_snapshot");
        let run = Run::workflow(key, "monthly_revenue").by("finance@retail.example");
        let run = run.input("snapshot", &snapshot, self.day.label(Granularity::Day));
        let revenue = self.rng.i64(11_000_000..15_000_000);
        let report = self.artifact(RETAIL, "reports/monthly_revenue");
        let made = Made::new(report.clone(), format!("{month}-final"), ended)
            .time(self.day.midnight())
            .stored("report", ".pdf")
            .metadata(json!({ "revenue": revenue, "currency": "EUR", "reviewed": self.ago() > 31 }))
            .card(format!(
                "# Revenue of {month}\n\n| | EUR |\n|---|---|\n| Total | {revenue} |\n\nFrom the snapshot of {}.\n",
                self.day.label(Granularity::Day)
            ));
        self.push(run.succeeded(started, ended).output("report", made).record());
    }

    /// Every month the year's report is made anew, so that the partition of a year has many versions.
    fn annual_summary(&mut self) {
        let month = self.day.label(Granularity::Month);
        let key = RETAIL.execution(self.name(&format!("annual-summary-{month}")));
        let (started, ended) = (self.minute(420), self.minute(425));
        let revenue = self.artifact(RETAIL, "reports/monthly_revenue");
        let mut run = Run::workflow(key, "annual_summary").by("finance@retail.example");
        for day in self
            .days_of(Granularity::Year)
            .filter(|day| day.ends(Granularity::Month))
        {
            let month = day.label(Granularity::Month);
            run = run.input(month.clone(), &revenue, format!("{month}-final"));
        }
        let made = Made::new(
            self.artifact(RETAIL, "reports/annual_summary"),
            format!("after-{month}"),
            ended,
        )
        .time(self.day.midnight())
        .stored("report", ".pdf");
        self.push(run.succeeded(started, ended).output("report", made).record());
    }

    /// The key of the snapshots, and the version of this day's.
    pub fn snapshot_of_today(&self) -> (ArtifactKey, String) {
        (
            self.artifact(RETAIL, "orders_snapshot"),
            self.day.label(Granularity::Day),
        )
    }
}

/// The execution of a day that somebody runs by hand.
pub(super) fn by_hand(night: &Night, name: &str, entity: &str, principal: &str) -> Run {
    let key = RETAIL.execution(night.name(&format!("{name}-{}", night.day.label(Granularity::Day))));
    Run::workflow(key, entity).by(principal)
}

/// What is only named, and by whom: an input that nobody produced yet.
pub(super) fn audit(night: &mut Night) -> Record {
    let (snapshot, version) = night.snapshot_of_today();
    let (started, ended) = (night.minute(200), night.minute(230));
    by_hand(night, "audit", "audit", "finance@retail.example")
        .succeeded(started, ended)
        .input("snapshot", &snapshot, version)
        .record()
}
