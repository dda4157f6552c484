"""How to store many images: from the archive to a page that says which store to use for what."""

import json
import re
import shlex

from scripts.common import supported

supported.check()

from scripts.plan.rule_digests import RuleDigests
from scripts.plan.jobs import Jobs, step, untracked
from scripts.plan.read import check_config_files, read_plan
from scripts.plan.session import Session
from scripts.plan.snakemake_internals import SnakemakeRun
from scripts.report.draw import captions
from snakemake.utils import min_version

min_version("9.17")
RUN = SnakemakeRun(workflow)
check_config_files([f"{workflow.basedir}/config.yaml", *RUN.config_files])


configfile: f"{workflow.basedir}/config.yaml"


# What is measured, and where files are; a mistake in the config ends here, in one line.
PLAN = read_plan(config, with_conda=RUN.with_conda, on_cluster=RUN.is_on_cluster, is_job_on_node=RUN.is_job_on_node)
DATASET, STORES, RESULTS = PLAN.dataset, PLAN.stores, PLAN.results
# The digest of each rule's code: an edit redoes what depends on it.
CODE = RuleDigests(PLAN)
# What builds and timings ask for: their turn, memory, time and cores.
JOBS = Jobs(PLAN)
# A changed parameter redoes the jobs of its rule. A changed time limit or `untracked` parameter redoes nothing: it only
# says where something is, how it is shown or how long it may take. `STEP`, which starts every command, is untracked.
STEP = step(PLAN)
RECORDS = untracked(f"{RESULTS}/records/{PLAN.machine}")
# What is checked and said at the start, and cleared away at the end.
SESSION = Session(PLAN, RUN)


wildcard_constraints:
    backend="[A-Za-z0-9_-]+",
    cutoff="[0-9]+",
    image_size="[0-9]+x[0-9]+",
    library="[a-z0-9_-]+",
    # Records of other machines, which the page shows as well, can't be made here.
    machine=re.escape(PLAN.machine),
    operation="[a-z-]+",
    figure="[a-z0-9_]+",


# These run where Snakemake was started, also with a cluster. All other rules are jobs of the cluster, in groups.
localrules:
    all,
    download,
    gather,
    unpack,
    compile,
    summarise,
    figure,
    page,


# profiles/slurm limits `at_a_time` to 1. The limit counts within each job of a cluster, so that the builds or timings of
# one group run one after the other.
resource_scopes:
    at_a_time="local",


onstart:
    SESSION.start()


onsuccess:
    SESSION.success()


onerror:
    SESSION.remove_left_overs()


rule all:
    """The page, and the figures and tables that it shows."""
    input:
        f"{RESULTS}/report.html",
        expand(f"{RESULTS}/figures/{{figure}}.{{suffix}}", figure=captions.names(), suffix=["svg", "png"]),
        ancient(PLAN.tables),
        ancient(PLAN.libraries()),


rule download:
    """The source of images, downloaded or the user's own; the output says where it is, or that images are synthetic."""
    output:
        f"{DATASET}/source.json",
    log:
        "results/logs/download.log",
    conda:
        PLAN.source_environment
    params:
        step=STEP,
        images=untracked(PLAN.config["images"]),
        identity=lambda wildcards: PLAN.identity,
        most=PLAN.most_images or 0,
        # Not in the command: a folder that has moved is looked at again.
        place=PLAN.own_folder,
        addresses=untracked(PLAN.config["addresses"]),
        directory=untracked(PLAN.downloads),
        offline_fallback=untracked("--offline-fallback" if PLAN.config["offline_fallback"] else ""),
        code=CODE.download,
    shell:
        "{params.step} download --images {params.images:q} --addresses {params.addresses:q}"
        " --directory {params.directory:q} {params.offline_fallback} --most {params.most}"
        " --output {output:q} 2> {log:q}"


checkpoint gather:
    """The images that are measured, in their order, with the files they came from; the output says what was found.

    How many good images there are, and of which sizes, decides the cutoffs and image sizes. So all that follows is
    planned after this.
    """
    input:
        f"{DATASET}/source.json",
    output:
        f"{DATASET}/gathered.json",
    log:
        "results/logs/gather.log",
    conda:
        PLAN.source_environment
    threads: JOBS.whole_machine
    params:
        step=STEP,
        directory=subpath(output[0], parent=True),
        most=f"--most {PLAN.most_images}" if PLAN.most_images else "",
        # They are decoded in the same go; another size is decoded later.
        image_sizes=untracked(PLAN.sizes_to_gather()),
        bad_share=untracked(PLAN.config["bad_images_limit"]),
        most_bytes=untracked(PLAN.most_bytes),
        code=CODE.gather,
    shell:
        "{params.step} gather --source {input:q} --directory {params.directory:q} {params.most} {params.image_sizes}"
        " --bad-share {params.bad_share} --most-bytes {params.most_bytes} --cores {threads} 2> {log:q}"


rule unpack:
    """The image set of one image size: images, labels and their provenance."""
    input:
        f"{DATASET}/gathered.json",
    output:
        provenance=f"{DATASET}/{{image_size}}/provenance.json",
        arrays=multiext(f"{DATASET}/{{image_size}}/", "images.npy", "labels.npy"),
    log:
        "results/logs/unpack/{image_size}.log",
    conda:
        PLAN.environment("dataset")
    threads: JOBS.whole_machine
    params:
        step=STEP,
        directory=subpath(input[0], parent=True),
        most=PLAN.most_of_size,
        upscale=untracked("--upscale" if PLAN.config["upscale"] else ""),
        code=CODE.unpack,
    shell:
        "{params.step} unpack --directory {params.directory:q} --image-size {wildcards.image_size} --most {params.most}"
        " {params.upscale} --cores {threads} 2> {log:q}"


rule compile:
    """The Go library, built from sources in this repository, whose digest is in its name.

    With conda it is an input of the stores that need it: their environment has no compiler. Without conda the build step
    compiles a library that is missing. So a library that was deleted doesn't have its stores made again.
    """
    output:
        "results/libraries/{library}.so",
    log:
        "results/logs/compile/{library}.log",
    priority: JOBS.priority_to_compile
    conda:
        PLAN.environment("compile")
    params:
        step=STEP,
    shell:
        "{params.step} compile 2> {log:q}"


rule build:
    """One backend's store of one cutoff at one image size, read back; the files lie beside the manifest."""
    input:
        provenance=f"{DATASET}/{{image_size}}/provenance.json",
        arrays=ancient(multiext(f"{DATASET}/{{image_size}}/", "images.npy", "labels.npy")),
        libraries=ancient(PLAN.libraries_to_build),
    output:
        f"{STORES}/{{backend}}/{{image_size}}/{{cutoff}}/manifest.json",
    log:
        "results/logs/build/{backend}/{image_size}/{cutoff}.log",
    priority: JOBS.priority_to_build
    conda:
        PLAN.store_environment
    resources:
        mem_mb=JOBS.megabytes,
        runtime=JOBS.minutes_to_build,
        cpus_per_task=JOBS.cores,
        at_a_time=1,
        file_system_users=JOBS.file_system_users,
    params:
        step=STEP,
        image_set=subpath(input.provenance, parent=True),
        store=subpath(output[0], parent=True),
        module=PLAN.module,
        options=PLAN.options,
        limit=JOBS.limit_seconds,
        # Not in the command: it is known of the images. A store that reads a folder is made again where that has moved.
        root=PLAN.root,
        code=CODE.build,
    shell:
        "{params.step} build --name {wildcards.backend} --module {params.module} --options {params.options:q}"
        " --cutoff {wildcards.cutoff} --image-set {params.image_set:q} --store {params.store:q} --limit {params.limit}"
        " 2> {log:q}"


rule time_operation:
    """The record of one cell: one operation on one store, timed while nothing else of the workflow runs on its machine."""
    input:
        provenance=f"{DATASET}/{{image_size}}/provenance.json",
        manifest=f"{STORES}/{{backend}}/{{image_size}}/{{cutoff}}/manifest.json",
        arrays=ancient(multiext(f"{DATASET}/{{image_size}}/", "images.npy", "labels.npy")),
    output:
        f"{RESULTS}/records/{{machine}}/{{backend}}/{{image_size}}/{{cutoff}}/{{operation}}.json",
    log:
        f"{RESULTS}/logs/time_operation/{{machine}}/{{backend}}/{{image_size}}/{{cutoff}}/{{operation}}.log",
    priority: JOBS.priority_to_time
    conda:
        PLAN.store_environment
    # On one machine the threads keep other jobs away. The host's lock, which `scripts/__main__.py` takes, keeps other
    # checkouts away. A cluster goes by cpus_per_task and slurm_extra.
    threads: JOBS.whole_machine
    resources:
        mem_mb=JOBS.megabytes,
        runtime=JOBS.minutes_to_time,
        cpus_per_task=JOBS.cores,
        slurm_extra=JOBS.alone,
        at_a_time=1,
        file_system_users=JOBS.file_system_users,
    params:
        step=STEP,
        image_set=subpath(input.provenance, parent=True),
        store=subpath(input.manifest, parent=True),
        module=PLAN.module,
        options=PLAN.options,
        settings=PLAN.settings,
        places=untracked(shlex.join(PLAN.working_places())),
        limit=JOBS.limit_seconds,
        # Not in the command: another `scratch_dir` has all cells timed again.
        scratch=lambda wildcards: PLAN.config["scratch_dir"],
        code=CODE.time_operation,
    shell:
        "{params.step} time_operation --machine {wildcards.machine} --name {wildcards.backend} --module {params.module}"
        " --options {params.options:q} --image-size {wildcards.image_size} --cutoff {wildcards.cutoff}"
        " --operation {wildcards.operation} --image-set {params.image_set:q} --store {params.store:q}"
        " --settings {params.settings:q} {params.places} --limit {params.limit} --record {output:q} 2> {log:q}"


rule summarise:
    """The tables: a row per sample, cell, quantile of latency, store and record; the run's conditions; and digests."""
    input:
        records=lambda wildcards: SESSION.records_for_tables(checkpoints),
        manifests=lambda wildcards: SESSION.manifests_for_tables(checkpoints),
    output:
        index=PLAN.index,
        conditions=f"{RESULTS}/conditions.json",
        selection=f"{RESULTS}/selection.csv",
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
        PLAN.environment("report")
    params:
        step=STEP,
        records=RECORDS,
        stores=untracked(STORES),
        tables=subpath(output.index, parent=True),
        machine=PLAN.machine,
        backends=list(PLAN.choices),
        sets=lambda wildcards: [f"{image_size}/{cutoff}" for image_size, cutoff in PLAN.sets],
        operations=PLAN.operations,
        code=CODE.summarise,
    shell:
        "{params.step} summarise --records {params.records:q} --machine {params.machine} --stores {params.stores:q}"
        " --backends {params.backends} --sets {params.sets} --operations {params.operations}"
        " --tables {params.tables:q} 2> {log:q}"


rule figure:
    """One figure, as SVG and PNG."""

    # The index holds the digests of the tables: only a change of content makes figures and page again.
    input:
        index=PLAN.index,
        tables=ancient(PLAN.tables),
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
        PLAN.environment("report")
    params:
        step=STEP,
        tables=subpath(input.index, parent=True),
        code=CODE.figure,
    shell:
        "{params.step} figure {wildcards.figure} --tables {params.tables:q}"
        " --svg {output.svg:q} --png {output.png:q} 2> {log:q}"


rule page:
    """The page that says which store to use for what, in one file."""
    input:
        provenance=lambda wildcards: SESSION.provenances(checkpoints),
        others=PLAN.other_records(),
        index=PLAN.index,
        tables=ancient(PLAN.tables),
        figures=expand(f"{RESULTS}/figures/{{figure}}.svg", figure=captions.names()),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="scripts/report/page/rst/page.rst",
            category="Page",
        ),
    log:
        f"{RESULTS}/logs/page.log",
    conda:
        PLAN.environment("report")
    params:
        step=STEP,
        records=RECORDS,
        tables=subpath(output[0], parent=True),
        settings=untracked(json.dumps(PLAN.settings_shown())),
        missing=untracked(json.dumps(PLAN.missing)),
        left_out_images=untracked(lambda: json.dumps(PLAN.left_out)),
        thumbnails="--with-thumbnails" if PLAN.config["thumbnails"] else "",
        # If other backends are left out, the page is made again. Other reasons in `missing` redo nothing.
        left_out=sorted(PLAN.missing),
        code=CODE.page,
    shell:
        "{params.step} page --provenance {input.provenance:q} --records {params.records:q}"
        " --tables {params.tables:q} --figures {input.figures:q} --settings {params.settings:q}"
        " --missing {params.missing:q} --left-out {params.left_out_images:q} {params.thumbnails}"
        " --output {output:q} 2> {log:q}"
