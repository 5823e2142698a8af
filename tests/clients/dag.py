"""A run of a small DAG, in the classes of the OpenLineage client: what `emit.py` sends."""

from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
    set_producer,
)
from openlineage.client.facet_v2 import (
    base_subset_dataset,
    column_lineage_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    source_code_location_job,
    sql_job,
    symlinks_dataset,
)

set_producer("https://example.com/shop")

NAMESPACE = "shop"
LAKE, DATABASE, HIVE = "s3://lake", "postgres://db:5432", "hive://metastore:9083"
DAY = "2026-11-23"
DAG, EXTRACT, TRANSFORM, REPORT = (f"01936893-9751-7000-8000-00000000000{n}" for n in range(1, 5))


def job(name: str, kind: str, **facets) -> Job:
    type_of_job = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AIRFLOW", jobType=kind)
    return Job(NAMESPACE, name, facets={"jobType": type_of_job, **facets})


def task(state: RunState, time: str, run_id: str, job: Job, inputs=(), outputs=(), **facets) -> RunEvent:
    """An event of a run that is part of the DAG's."""
    facets["parent"] = parent_run.ParentRunFacet(
        run=parent_run.Run(DAG),
        job=parent_run.Job(NAMESPACE, "daily"),
        root=parent_run.Root(run=parent_run.RootRun(DAG), job=parent_run.RootJob(NAMESPACE, "daily")),
    )
    return event(state, time, run_id, job, inputs, outputs, **facets)


def event(state: RunState, time: str, run_id: str, job: Job, inputs=(), outputs=(), **facets) -> RunEvent:
    return RunEvent(
        eventType=state,
        eventTime=f"2026-11-24T{time}:00.123456Z",
        run=Run(run_id, facets=facets),
        job=job,
        inputs=list(inputs),
        outputs=list(outputs),
    )


def schema(*names: str) -> schema_dataset.SchemaDatasetFacet:
    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type="string") for name in names]
    return schema_dataset.SchemaDatasetFacet(fields=fields)


def version(name: str) -> dataset_version_dataset.DatasetVersionDatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=name)


def equal(field: str, value: str) -> base_subset_dataset.CompareSubsetCondition:
    return base_subset_dataset.CompareSubsetCondition(
        left=base_subset_dataset.FieldBaseCompareExpression(field),
        right=base_subset_dataset.LiteralCompareExpression(value),
        comparison="EQUAL",
    )


def extract() -> list[RunEvent]:
    """Reads a named version of a table, writes two partitions."""
    what = job("daily.extract", "TASK", sql=sql_job.SQLJobFacet(query="SELECT * FROM orders", dialect="postgres"))
    table = InputDataset(DATABASE, "shop.public.orders", facets={"version": version("41"), "schema": schema("id", "region")})
    partitions = [base_subset_dataset.Partition({"day": DAY, "region": region}) for region in ("EU", "US")]
    written = base_subset_dataset.OutputSubsetOutputDatasetFacet(base_subset_dataset.PartitionSubsetCondition(partitions))
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=1000, size=65536, fileCount=2)
    files = OutputDataset(
        LAKE,
        "raw/orders",
        facets={"schema": schema("id", "region", "day")},
        outputFacets={"subset": written, "outputStatistics": statistics},
    )
    engine = processing_engine_run.ProcessingEngineRunFacet(version="3.5.1", name="spark")
    return [
        task(RunState.START, "06:01", EXTRACT, what, [table], processing_engine=engine),
        task(RunState.RUNNING, "06:02", EXTRACT, what, [table]),
        task(RunState.COMPLETE, "06:05", EXTRACT, what, [table], [files]),
    ]


def transform() -> list[RunEvent]:
    """Reads one of the partitions, writes a version of a table that has another name in Hive."""
    location = source_code_location_job.SourceCodeLocationJobFacet(type="git", url="https://example.com/shop.git", version="f3a9")
    what = job("daily.transform", "TASK", sourceCodeLocation=location)
    both = base_subset_dataset.BinarySubsetCondition(equal("day", DAY), equal("region", "EU"), "AND")
    files = InputDataset(LAKE, "raw/orders", inputFacets={"subset": base_subset_dataset.InputSubsetInputDatasetFacet(both)})
    origin = column_lineage_dataset.InputField(LAKE, "raw/orders", "id")
    table = OutputDataset(
        DATABASE,
        "shop.analytics.orders",
        facets={
            "version": version("7301"),
            "schema": schema("id"),
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="TABLE"),
            "symlinks": symlinks_dataset.SymlinksDatasetFacet([symlinks_dataset.Identifier(HIVE, "analytics.orders", "TABLE")]),
            "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
                fields={"id": column_lineage_dataset.Fields(inputFields=[origin])}
            ),
        },
    )
    return [
        task(RunState.START, "06:10", TRANSFORM, what, [files]),
        task(RunState.COMPLETE, "06:15", TRANSFORM, what, [files], [table]),
    ]


def report() -> list[RunEvent]:
    """Reads the table by its other name, and a dataset that is known from an event of its own; fails."""
    what = job("daily.report", "TASK")
    inputs = [InputDataset(HIVE, "analytics.orders"), InputDataset(LAKE, "regions")]
    page = OutputDataset(LAKE, "reports/orders")
    error = error_message_run.ErrorMessageRunFacet("no space left", "PYTHON", "Traceback (most recent call last): …")
    return [
        task(RunState.START, "06:20", REPORT, what, inputs, [page]),
        task(RunState.FAIL, "06:25", REPORT, what, inputs, [page], errorMessage=error),
    ]


def events() -> list[RunEvent | DatasetEvent | JobEvent]:
    """All that is said of the run, and of a dataset and of a job by themselves."""
    dag = job("daily", "DAG")
    nominal = nominal_time_run.NominalTimeRunFacet("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
    regions = StaticDataset(
        LAKE,
        "regions",
        facets={
            "version": version("2026-11"),
            "documentation": documentation_dataset.DocumentationDatasetFacet("Where we sell, 🇪🇺 first"),
        },
    )
    return [
        event(RunState.START, "06:00", DAG, dag, nominalTime=nominal),
        DatasetEvent(eventTime="2026-11-01T00:00:00Z", dataset=regions),
        *extract(),
        *transform(),
        *report(),
        event(RunState.FAIL, "06:30", DAG, dag),
        JobEvent(
            eventTime="2026-11-02T00:00:00Z",
            job=Job(NAMESPACE, "tidy"),
            inputs=[InputDataset(LAKE, "regions")],
            outputs=[OutputDataset(LAKE, "tidied")],
        ),
    ]
