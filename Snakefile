"""How to store many images: from the archive to a page that says which store to use for what."""

import re

from scripts.common import supported

supported.check()

from scripts.plan import cluster, plan
from scripts.plan.ending import Ending
from scripts.plan.start import records_for_tables
from scripts.report import intact
from scripts.report.draw import captions
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

min_version("9.17")
plan.check_config_files(f"{workflow.basedir}/config.yaml", *workflow.overwrite_configfiles)


configfile: f"{workflow.basedir}/config.yaml"


PLAN = plan.read(
    config,
    with_conda=DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method,
    on_cluster=workflow.remote_exec or cluster.FILE_SYSTEM in workflow.global_resources,
    in_job=workflow.remote_exec,
)
ENDING = Ending(PLAN, workflow)
STEP = plan.untracked(PLAN.step_command())
DATASET = PLAN.dataset
STORES = PLAN.stores
RESULTS = PLAN.results


# Records of other machines, which the page shows as well, can't be made here.
wildcard_constraints:
    backend="[A-Za-z0-9_-]+",
    cutoff="[0-9]+",
    image_size="[0-9]+x[0-9]+",
    library="[a-z0-9_-]+",
    machine=re.escape(PLAN.machine),
    operation="[a-z-]+",
    figure="[a-z0-9_]+",


# Where Snakemake was started, also with a cluster; all but these are jobs of it, in groups. On one machine it's idle.
localrules:
    all,
    download,
    unpack,
    compile,
    summarise,
    figure,
    page,


# Counted in each job of a cluster by itself: what is in one group runs one after the other.
resource_scopes:
    at_a_time="local",


onstart:
    ENDING.start()


onsuccess:
    ENDING.success()


onerror:
    ENDING.failure()


rule all:
    """The page, and the figures and tables that it shows."""
    input:
        f"{RESULTS}/report.html",
        expand(f"{RESULTS}/figures/{{figure}}.{{suffix}}", figure=PLAN.figures, suffix=["svg", "png"]),
        ancient(expand(f"{RESULTS}/{{table}}.csv", table=plan.TABLES)),
        ancient(PLAN.libraries()),


rule download:
    """The archive of images, downloaded, generated or the user's own; the output says where it is and what it holds."""
    output:
        f"{DATASET}/archive.json",
    log:
        "results/logs/download.log",
    conda:
        lambda wildcards: PLAN.environment("envs/dataset.yaml")
    params:
        step=STEP,
        images=plan.untracked(PLAN.config["images"]),
        archive=lambda wildcards: PLAN.archive_digest(),
        addresses=plan.untracked(PLAN.config["addresses"]),
        directory=plan.untracked(PLAN.downloads),
        offline_fallback=plan.untracked(str(PLAN.config["offline_fallback"]).lower()),
        code=PLAN.code("download"),
    shell:
        "{params.step} download --images {params.images:q} --addresses {params.addresses:q}"
        " --directory {params.directory:q} --offline-fallback {params.offline_fallback}"
        " --output {output:q} 2> {log:q}"


rule unpack:
    """The image set: training images and labels as arrays, the test batch apart, and their provenance."""
    input:
        f"{DATASET}/archive.json",
    output:
        provenance=f"{DATASET}/provenance.json",
        arrays=multiext(f"{DATASET}/", *plan.ARRAYS),
    log:
        "results/logs/unpack.log",
    conda:
        lambda wildcards: PLAN.environment("envs/dataset.yaml")
    params:
        step=STEP,
        directory=subpath(output.provenance, parent=True),
        code=PLAN.code("unpack"),
    shell:
        "{params.step} unpack --archive {input:q} --directory {params.directory:q} 2> {log:q}"


rule compile:
    """A library that a backend needs, built from sources in this repository, whose digest is in its name.

    An input of stores with conda only, or one that is lost would have them made again: a step that finds none builds it.
    """
    output:
        "results/libraries/{library}.so",
    log:
        "results/logs/compile/{library}.log",
    priority: PLAN.build_priority + 1
    conda:
        lambda wildcards: PLAN.environment("envs/compile.yaml")
    params:
        step=STEP,
        module=lambda wildcards, output: PLAN.built_for(output[0]),
    shell:
        "{params.step} compile --backend {params.module} 2> {log:q}"


rule build:
    """One backend's store of one cutoff at one image size, read back; the files lie beside the manifest."""
    input:
        provenance=f"{DATASET}/provenance.json",
        arrays=ancient(multiext(f"{DATASET}/", "images.npy", "labels.npy")),
        libraries=ancient(lambda wildcards: PLAN.libraries_first(wildcards.backend)),
    output:
        f"{STORES}/{{backend}}/{{image_size}}/{{cutoff}}/manifest.json",
    log:
        "results/logs/build/{backend}/{image_size}/{cutoff}.log",
    priority: PLAN.build_priority
    conda:
        lambda wildcards: PLAN.environment(PLAN.stores_environment(wildcards.backend))
    resources:
        mem_mb=cluster.megabytes,
        runtime=cluster.minutes_to_build,
        cpus_per_task=cluster.CORES,
        at_a_time=1,
        file_system=PLAN.file_system_uses,
    params:
        step=STEP,
        image_set=subpath(input.provenance, parent=True),
        store=subpath(output[0], parent=True),
        module=lambda wildcards: PLAN.choices[wildcards.backend].module,
        options=lambda wildcards: PLAN.options_text(wildcards.backend),
        limit=lambda wildcards, resources: cluster.limit_seconds(PLAN, wildcards, resources),
        code=lambda wildcards: PLAN.code("build", wildcards.backend),
    shell:
        "{params.step} build --name {wildcards.backend} --module {params.module} --options {params.options:q}"
        " --cutoff {wildcards.cutoff} --image-set {params.image_set:q} --store {params.store:q} --limit {params.limit}"
        " 2> {log:q}"


rule time_operation:
    """The record of one cell: one operation on one store, timed while nothing else of the workflow runs."""
    input:
        provenance=f"{DATASET}/provenance.json",
        manifest=f"{STORES}/{{backend}}/{{image_size}}/{{cutoff}}/manifest.json",
        arrays=ancient(multiext(f"{DATASET}/", "images.npy", "labels.npy")),
    output:
        f"{RESULTS}/records/{{machine}}/{{backend}}/{{image_size}}/{{cutoff}}/{{operation}}.json",
    log:
        f"{RESULTS}/logs/time_operation/{{machine}}/{{backend}}/{{image_size}}/{{cutoff}}/{{operation}}.log",
    priority: PLAN.priority
    conda:
        lambda wildcards: PLAN.environment(PLAN.stores_environment(wildcards.backend))
    threads: plan.WHOLE_MACHINE
    resources:
        mem_mb=cluster.megabytes,
        runtime=lambda wildcards: cluster.minutes_to_time(wildcards, PLAN.budget_seconds),
        cpus_per_task=cluster.CORES,
        slurm_extra=cluster.ALONE,
        at_a_time=1,
        file_system=PLAN.file_system_uses,
    params:
        step=STEP,
        image_set=subpath(input.provenance, parent=True),
        store=subpath(input.manifest, parent=True),
        module=lambda wildcards: PLAN.choices[wildcards.backend].module,
        options=lambda wildcards: PLAN.options_text(wildcards.backend),
        settings=lambda wildcards: PLAN.settings_of(wildcards.operation),
        places=plan.untracked(PLAN.places_text()),
        limit=lambda wildcards, resources: cluster.limit_seconds(PLAN, wildcards, resources),
        scratch=lambda wildcards: PLAN.config["scratch_dir"],
        code=lambda wildcards: PLAN.code("time_operation", wildcards.backend),
    shell:
        "{params.step} time_operation --machine {wildcards.machine} --name {wildcards.backend} --module {params.module}"
        " --options {params.options:q} --image-size {wildcards.image_size} --cutoff {wildcards.cutoff} --operation {wildcards.operation}"
        " --image-set {params.image_set:q} --store {params.store:q}"
        " --settings {params.settings:q} {params.places} --limit {params.limit} --record {output:q} 2> {log:q}"


rule summarise:
    """The tables: a row per sample, per cell, per quantile of latency, per store; and their digests."""
    input:
        records=lambda wildcards: records_for_tables(PLAN, workflow),
        manifests=PLAN.manifests(),
    output:
        index=f"{RESULTS}/{intact.INDEX}",
        timings=f"{RESULTS}/timings.csv",
        latencies=f"{RESULTS}/latencies.csv",
        summary=report(
            f"{RESULTS}/summary.csv",
            caption="scripts/report/page/rst/summary.rst",
            category="Tables",
        ),
        disk_usage=report(
            f"{RESULTS}/disk_usage.csv",
            caption="scripts/report/page/rst/disk_usage.rst",
            category="Tables",
        ),
    log:
        f"{RESULTS}/logs/summarise.log",
    conda:
        lambda wildcards: PLAN.environment("envs/report.yaml")
    params:
        step=STEP,
        records=plan.untracked(f"{RESULTS}/records/{PLAN.machine}"),
        stores=plan.untracked(STORES),
        tables=subpath(output.index, parent=True),
        machine=PLAN.machine,
        backends=list(PLAN.choices),
        image_sizes=PLAN.image_sizes,
        cutoffs=PLAN.cutoffs,
        operations=PLAN.operations,
        code=PLAN.summary_code(),
    shell:
        "{params.step} summarise --records {params.records:q} --machine {params.machine} --stores {params.stores:q}"
        " --backends {params.backends} --image-sizes {params.image_sizes} --cutoffs {params.cutoffs}"
        " --operations {params.operations} --tables {params.tables:q} 2> {log:q}"


rule figure:
    """One figure, as SVG and PNG."""
    input:
        index=f"{RESULTS}/{intact.INDEX}",
        tables=ancient(expand(f"{RESULTS}/{{table}}.csv", table=plan.TABLES)),
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="scripts/report/page/rst/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        png=f"{RESULTS}/figures/{{figure}}.png",
    log:
        f"{RESULTS}/logs/figure/{{figure}}.log",
    conda:
        lambda wildcards: PLAN.environment("envs/report.yaml")
    params:
        step=STEP,
        tables=subpath(input.index, parent=True),
        caption=lambda wildcards: captions.caption(wildcards.figure),
        code=lambda wildcards: PLAN.figure_code(wildcards.figure),
    shell:
        "{params.step} figure {wildcards.figure} --tables {params.tables:q}"
        " --svg {output.svg:q} --png {output.png:q} 2> {log:q}"


rule page:
    """The page that says which store to use for what, in one file."""
    input:
        provenance=f"{DATASET}/provenance.json",
        records=PLAN.records(),
        others=PLAN.other_records(),
        index=f"{RESULTS}/{intact.INDEX}",
        tables=ancient(expand(f"{RESULTS}/{{table}}.csv", table=plan.TABLES)),
        figures=expand(f"{RESULTS}/figures/{{figure}}.svg", figure=PLAN.figures),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="scripts/report/page/rst/page.rst",
            category="Page",
        ),
    log:
        f"{RESULTS}/logs/page.log",
    conda:
        lambda wildcards: PLAN.environment("envs/report.yaml")
    params:
        step=STEP,
        records=plan.untracked(f"{RESULTS}/records/{PLAN.machine}"),
        tables=subpath(output[0], parent=True),
        settings=plan.untracked(PLAN.settings_text()),
        missing=plan.untracked(PLAN.missing_text()),
        left_out=sorted(PLAN.missing),
        code=PLAN.page_code(),
    shell:
        "{params.step} page --provenance {input.provenance:q} --records {params.records:q}"
        " --tables {params.tables:q} --figures {input.figures:q} --settings {params.settings:q}"
        " --missing {params.missing:q} --output {output:q} 2> {log:q}"
