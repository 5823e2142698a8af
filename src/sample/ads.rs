//! Advertising: impressions uploaded by networks, and which of them led to an order.

use serde_json::json;

use super::build::{Made, Run};
use super::calendar::Day;
use super::night::{ADS, Night, RETAIL};
use crate::domain::time::Granularity;

/// Where advertisements are shown.
const REGIONS: [&str; 2] = ["EU", "US"];
const CHANNELS: [&str; 2] = ["search", "social"];

impl Night {
    /// Everything of advertising.
    pub fn ads(&mut self) {
        for region in REGIONS {
            for channel in CHANNELS {
                self.impressions(region, channel);
            }
        }
        for region in REGIONS {
            self.attribution(region);
        }
    }

    fn impressions_version(&self, day: Day, region: &str, channel: &str) -> String {
        format!("upload-{}", &self.hex(&format!("{channel} {region}"), day)[..12])
    }

    /// Comes by itself: no execution of ours makes it.
    fn impressions(&mut self, region: &str, channel: &str) {
        let rows = self.rng.i64(300_000..900_000);
        let version = self.impressions_version(self.day, region, channel);
        let uploaded = self.minute(40);
        let made = Made::new(self.artifact(ADS, "impressions"), version, uploaded)
            .value("region", region)
            .value("channel", channel)
            .time(self.day.midnight())
            .stored("dataset", ".csv.gz")
            .metadata(json!({ "rows": rows, "bytes": rows * 61, "format": "csv" }));
        self.push(made.record());
    }

    fn attribution(&mut self, region: &str) {
        let day = self.day.label(Granularity::Day);
        let key = ADS.execution(self.name(&format!("attribution-{day}-{region}")));
        let (started, ended) = (self.minute(180), self.minute(195));
        let mut run = Run::workflow(key, "attribution").code("0.8.1").by("svc-ads");
        let impressions = self.artifact(ADS, "impressions");
        for channel in CHANNELS {
            run = run.input(
                channel,
                &impressions,
                self.impressions_version(self.day, region, channel),
            );
        }
        run = run.input(
            "orders",
            &self.artifact(RETAIL, "orders"),
            self.orders_version(self.day, region),
        );
        if self.has_clicks(self.day) {
            run = run.input(
                "sessions",
                &self.artifact(RETAIL, "sessions"),
                self.sessions_version(self.day),
            );
        }
        if region == "US" && self.ago() % 29 == 8 {
            // Fails for good: the day has no attribution of this region.
            let error = "MemoryError: killed at 16 GiB while joining impressions with orders";
            return self.push(run.failed(started, ended, error).record());
        }
        let rows = self.rng.i64(9_000..16_000);
        let made = Made::new(self.artifact(ADS, "attribution"), format!("{day}.{region}"), ended)
            .value("region", region)
            .time(self.day.midnight())
            .stored("dataset", ".parquet")
            .metadata(json!({ "rows": rows, "matchRate": f64::from(self.rng.u32(550..850)) / 1_000.0 }));
        self.push(run.succeeded(started, ended).output("attribution", made).record());
    }
}
