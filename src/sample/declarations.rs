//! What the artifacts of the sample are: names, partition keys, granularities.

use super::build::{Place, declare};
use super::night::{ADS, LEARNING, LEARNING_DEVELOPMENT, RETAIL, RETAIL_DEVELOPMENT, RETAIL_STAGING, branded};
use crate::domain::record::Record;
use crate::domain::time::Granularity::{self, Day, Hour, Minute, Month, Week, Year};

type Declaration = (
    Place,
    &'static str,
    &'static [&'static str],
    Option<Granularity>,
    &'static str,
);

/// What every brand has.
const OF_EVERY_BRAND: &[Declaration] = &[
    (
        RETAIL,
        "raw/clicks",
        &[],
        Some(Hour),
        "What visitors of the shop click, by the hour. Kept for a third of the time.",
    ),
    (
        RETAIL,
        "orders",
        &["region"],
        Some(Day),
        "The day's orders of a region, as delivered by its shop.",
    ),
    (
        RETAIL,
        "orders_snapshot",
        &[],
        Some(Day),
        "All orders up to a day: yesterday's snapshot and the day's orders.",
    ),
    (
        RETAIL,
        "sessions",
        &[],
        Some(Day),
        "Visits of a day, put together from its 24 hours of clicks.",
    ),
    (
        RETAIL,
        "reports/weekly_sales",
        &["region"],
        Some(Week),
        "Sales of a region in a week.",
    ),
    (
        RETAIL,
        "reports/monthly_revenue",
        &[],
        Some(Month),
        "Revenue of a month.",
    ),
    (
        RETAIL,
        "reports/annual_summary",
        &[],
        Some(Year),
        "The year so far, made anew after each month.",
    ),
    (
        ADS,
        "impressions",
        &["region", "channel"],
        Some(Day),
        "Advertisements shown, uploaded by the networks.",
    ),
    (
        ADS,
        "attribution",
        &["region"],
        Some(Day),
        "Which advertisement led to which order.",
    ),
    (
        LEARNING,
        "features/customer",
        &[],
        Some(Week),
        "What is known of customers, by the week.",
    ),
    (
        LEARNING,
        "models/demand_forecast",
        &["region", "model"],
        None,
        "Forecasts of demand, trained every week for each region.",
    ),
];

/// What only the first brand has.
const OF_THE_FIRST_BRAND: &[Declaration] = &[
    (
        RETAIL,
        "metrics/checkout_latency",
        &[],
        Some(Minute),
        "How long the check-out took, by the minute, during an incident.",
    ),
    (
        RETAIL,
        "reports/demand_outlook",
        &[],
        Some(Week),
        "What the production model expects of the next week.",
    ),
    (
        RETAIL_STAGING,
        "orders",
        &["region"],
        Some(Day),
        "Orders of the rehearsal.",
    ),
    (
        RETAIL_DEVELOPMENT,
        "orders_sample",
        &[],
        None,
        "Samples of orders to develop with.",
    ),
    (
        RETAIL_DEVELOPMENT,
        "lookup_table",
        &[],
        None,
        "A table that is brought up to date in place.",
    ),
    (
        LEARNING,
        "features/customer_embedding",
        &[],
        None,
        "Customers as vectors; every score is made from one of these.",
    ),
    (
        LEARNING,
        "models/propensity",
        &["model"],
        None,
        "How likely a customer is to leave, and what one is worth.",
    ),
    (
        LEARNING,
        "scores",
        &["model", "segment"],
        Some(Day),
        "Scores of a segment of customers by a model.",
    ),
    (
        LEARNING_DEVELOPMENT,
        "models/demand_forecast",
        &["region", "model"],
        None,
        "Experiments with forecasts of demand.",
    ),
];

/// The declarations of a brand's artifacts.
pub(super) fn of_brand(brand: i64) -> Vec<Record> {
    let apart = if brand == 0 { OF_THE_FIRST_BRAND } else { &[] };
    OF_EVERY_BRAND
        .iter()
        .chain(apart)
        .map(|(place, name, keys, time, description)| {
            declare(place.artifact(branded(brand, name)), keys, *time, description)
        })
        .collect()
}
