{{ config(materialized="table") }}
select id, region, amount from {{ source("shop", "raw_orders") }}
