"""A DAG of two tasks that say what they read and write."""

from airflow.providers.common.compat.openlineage.facet import Dataset
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

RAW, ORDERS = Dataset(namespace="s3://lake", name="raw/orders"), Dataset(namespace="s3://lake", name="orders")

with DAG("shop", schedule=None):
    extract = BashOperator(task_id="extract", bash_command="true", outlets=[RAW])
    load = BashOperator(task_id="load", bash_command="true", inlets=[RAW], outlets=[ORDERS])
    extract >> load
