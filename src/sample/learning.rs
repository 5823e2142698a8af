//! Machine learning: features by the week, models trained from partitions, one embedding that many scores are made from.

use serde_json::json;

use super::build::{Made, Run, alias};
use super::calendar::Day;
use super::night::{ADS, LEARNING, Night, REGIONS, RETAIL};
use crate::domain::filter::{PartitionFilter, TimeFilter, VersionKeyQuery};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::time::Granularity;

const ROBOT: &str = "svc-learning";
const FORECAST: &str = "models/demand_forecast";
/// How forecasts are made.
const ALGORITHMS: [&str; 2] = ["linear", "boosted"];
/// What customers are scored by.
const PROPENSITIES: [&str; 2] = ["churn", "ltv"];

impl Night {
    /// Everything of machine learning.
    pub fn learning(&mut self) {
        if self.is_first_brand() {
            self.scores();
            if self.index == 0 || self.day.ends(Granularity::Month) {
                PROPENSITIES.into_iter().for_each(|model| self.propensity(model));
            }
            if self.index == 0 || self.index == self.world.second_embedding() {
                self.embedding();
            }
        }
        if self.day.ends(Granularity::Week) {
            self.training();
            self.aliases();
            if self.is_first_brand() {
                self.outlook();
            }
        }
    }

    fn training(&mut self) {
        let week = self.day.label(Granularity::Week);
        let parent = LEARNING.execution(self.name(&format!("training-{week}")));
        let workflow = Run::workflow(parent.clone(), "weekly_training").code("5.0.3").by(ROBOT);
        let started = self.minute(235);
        self.push(workflow.clone().running(started).record());
        self.features(&parent);
        for (n, region) in REGIONS.into_iter().enumerate() {
            for (m, algorithm) in ALGORITHMS.into_iter().enumerate() {
                self.forecast(&parent, region, algorithm, n * ALGORITHMS.len() + m);
            }
        }
        let ended = self.minute(355);
        self.push(workflow.succeeded(started, ended).record());
    }

    fn features(&mut self, parent: &ExecutionKey) {
        let (started, ended) = (self.minute(240), self.minute(270));
        let mut run = Run::task(parent, "features", "customer_features")
            .code("5.0.3")
            .by(ROBOT);
        let (snapshot, version) = self.snapshot_of_today();
        run = run.input("snapshot", &snapshot, version);
        let sessions = self.artifact(RETAIL, "sessions");
        let attribution = self.artifact(ADS, "attribution");
        for day in self.days_of(Granularity::Week) {
            let label = day.label(Granularity::Day);
            if self.has_clicks(day) {
                run = run.input(format!("sessions-{label}"), &sessions, self.sessions_version(day));
            }
            run = run.input(format!("attribution-{label}"), &attribution, format!("{label}.EU"));
        }
        let rows = 800_000 + self.index * 900;
        let made = Made::new(
            self.artifact(LEARNING, "features/customer"),
            self.day.label(Granularity::Week),
            ended,
        )
        .time(self.day.midnight())
        .stored("features", "")
        .metadata(json!({ "rows": rows, "columns": 214, "format": "parquet" }));
        self.push(run.succeeded(started, ended).output("features", made).record());
    }

    /// Models are numbered through, six a week, so that `v10` comes after `v9`.
    fn forecast_version(&self, day: Day, number: usize) -> String {
        let first = self.world.first.first_of(Granularity::Week);
        let week = day.first_of(Granularity::Week).since(first) / 7;
        format!("v{}", week * 6 + i64::try_from(number).unwrap_or(0) + 1)
    }

    fn forecast(&mut self, parent: &ExecutionKey, region: &str, algorithm: &str, number: usize) {
        let (started, ended) = (self.minute(275), self.minute(330));
        let orders = self.artifact(RETAIL, "orders");
        let features = self.artifact(LEARNING, "features/customer");
        let mut run = Run::task(parent, &format!("train-{region}-{algorithm}"), "train_forecast")
            .code("5.0.3")
            .by(ROBOT);
        run = run.input("features", &features, self.day.label(Granularity::Week));
        for day in self.days_of(Granularity::Week) {
            run = run.input(day.label(Granularity::Day), &orders, self.orders_version(day, region));
        }
        let accuracy = f64::from(self.rng.u32(if algorithm == "boosted" { 870..940 } else { 800..880 })) / 1_000.0;
        let version = self.forecast_version(self.day, number);
        let week = self.day.label(Granularity::Week);
        let card = format!(
            "# Demand forecast {version}\n\nTrained on the orders of **{region}** in {week}.\n\n| | |\n|---|---|\n\
             | Algorithm | {algorithm} |\n| Accuracy | {accuracy} |\n\nNot for regions other than {region}.\n"
        );
        let made = Made::new(self.artifact(LEARNING, FORECAST), version, ended)
            .value("region", region)
            .value("model", algorithm)
            .stored("model", ".onnx")
            .described(&format!("Forecast for {region}, trained in {week}."))
            .metadata(
                json!({ "accuracy": accuracy, "algorithm": algorithm, "bytes": self.rng.i64(2_000_000..90_000_000) }),
            )
            .card(card);
        let seconds = self.rng.i64(900..3_000);
        let run = run.metadata(json!({ "gpuSeconds": seconds }));
        self.push(run.succeeded(started, ended).output("model", made).record());
    }

    /// `production` and `champion` move once each, `staging` follows a week behind the newest.
    fn aliases(&mut self) {
        let models = self.artifact(LEARNING, FORECAST);
        let boosted = |night: &Self, region: usize| night.forecast_version(night.day, region * ALGORITHMS.len() + 1);
        let set: &[(&str, usize, bool)] = match self.weeks_ago() {
            4 => &[("production", 0, false)],
            3 => &[("champion", 1, false)],
            1 => &[("production", 0, true), ("staging", 2, false)],
            0 => &[("champion", 1, true), ("staging", 2, true)],
            _ => &[],
        };
        for (name, region, moves) in set {
            self.push(alias(models.clone(), name, boosted(self, *region), *moves));
        }
    }

    /// Reads what stands at `production` and whatever snapshot is the newest of the week: inputs by query.
    fn outlook(&mut self) {
        let has_production = self.weeks_ago() < 4 && self.index >= 7 * (4 - self.weeks_ago());
        if !has_production {
            return;
        }
        let week = self.day.label(Granularity::Week);
        let (started, ended) = (self.minute(380), self.minute(385));
        let any = |artifact| VersionKeyQuery {
            artifact,
            version: None,
            alias: None,
            partition: None,
        };
        let at = TimeFilter {
            at: Some(self.day.midnight()),
            granularity: Some(Granularity::Week),
            ..TimeFilter::default()
        };
        let this_week = PartitionFilter {
            time: Some(at),
            ..PartitionFilter::default()
        };
        let model = VersionKeyQuery {
            alias: Some("production".to_owned()),
            ..any(self.artifact(LEARNING, FORECAST))
        };
        let snapshot = VersionKeyQuery {
            partition: Some(this_week),
            ..any(self.artifact(RETAIL, "orders_snapshot"))
        };
        let run = Run::workflow(RETAIL.execution(format!("demand-outlook-{week}")), "demand_outlook").by(ROBOT);
        let made = Made::new(RETAIL.artifact("reports/demand_outlook"), week, ended)
            .time(self.day.midnight())
            .stored("report", ".html");
        let run = run.query("model", model).query("snapshot", snapshot);
        self.push(run.succeeded(started, ended).output("report", made).record());
    }

    /// Which of the models of propensity is in use on a day: one is made in the first night, one after each month.
    fn propensity_version(&self, model: &str, after: Day) -> String {
        let months = (1..=after.since(self.world.first)).filter(|n| self.world.first.plus(*n).ends(Granularity::Month));
        format!("{model}-v{}", months.count() + 1)
    }

    fn propensity(&mut self, model: &str) {
        let version = self.propensity_version(model, self.day);
        let (started, ended) = (self.minute(215), self.minute(230));
        let (snapshot, of_today) = self.snapshot_of_today();
        let run =
            Run::workflow(LEARNING.execution(format!("train-{version}")), "train_propensity").by("alice@ml.example");
        let auc = f64::from(self.rng.u32(700..890)) / 1_000.0;
        let made = Made::new(LEARNING.artifact("models/propensity"), version, ended)
            .value("model", model)
            .stored("model", ".onnx")
            .metadata(json!({ "auc": auc, "algorithm": "boosted" }))
            .card(format!(
                "# Propensity: {model}\n\nAUC **{auc}** on the customers of the last 30 days.\n"
            ));
        let run = run.input("snapshot", &snapshot, of_today);
        self.push(run.succeeded(started, ended).output("model", made).record());
    }

    fn embedding_of_customers() -> ArtifactKey {
        LEARNING.artifact("features/customer_embedding")
    }

    fn embedding(&mut self) {
        let version = if self.index == 0 { "v1" } else { "v2" };
        let (started, ended) = (self.minute(300), self.minute(340));
        let (snapshot, of_today) = self.snapshot_of_today();
        let run = Run::workflow(
            LEARNING.execution(format!("embed-customers-{version}")),
            "embed_customers",
        )
        .by("alice@ml.example");
        let made = Made::new(Self::embedding_of_customers(), version, ended)
            .stored("features", ".lance")
            .described("Customers as vectors of 256 numbers.")
            .metadata(json!({ "rows": 812_000, "dimensions": 256 }));
        let run = run.input("snapshot", &snapshot, of_today);
        self.push(run.succeeded(started, ended).output("embedding", made).record());
        self.push(alias(
            Self::embedding_of_customers(),
            "stable",
            version.to_owned(),
            version == "v2",
        ));
    }

    /// The hub of the graph: every score reads the same embedding.
    fn scores(&mut self) {
        let day = self.day.label(Granularity::Day);
        let embedding = if self.index <= self.world.second_embedding() {
            "v1"
        } else {
            "v2"
        };
        // The models that were there before this night.
        let models = PROPENSITIES.map(|model| self.propensity_version(model, self.day.plus(-1)));
        let (first, segments) = (self.world.scores_before(self.index), self.world.segments());
        for n in first..first + self.world.scores_in(self.index) {
            let which = usize::from(n % 2 == 1);
            let model = PROPENSITIES[which];
            let segment = format!("segment-{:03}", n / 2 % segments + 1);
            let (started, ended) = (self.minute(205), self.minute(212));
            let key = LEARNING.execution(format!("score-{day}/{model}/{segment}"));
            let run = Run::workflow(key, "score_segment").code("1.2.0").by("svc-scoring");
            let rows = self.rng.i64(900..40_000);
            let made = Made::new(LEARNING.artifact("scores"), format!("{day}/{model}/{segment}"), ended)
                .value("model", model)
                .value("segment", segment)
                .time(self.day.midnight())
                .stored("dataset", ".parquet")
                .metadata(json!({ "rows": rows, "bytes": rows * 24 }));
            let run = run
                .input("embedding", &Self::embedding_of_customers(), embedding)
                .input("model", &LEARNING.artifact("models/propensity"), models[which].clone());
            self.push(run.succeeded(started, ended).output("scores", made).record());
        }
    }
}
