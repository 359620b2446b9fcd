"""Options that commands share, each declared once: spelling, type, help."""

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATH]...", show_default=False,
        help="Photos, folders (searched recursively), quoted patterns (**/*.jpg), archives (.zip, .tar), addresses"
        " (https://..., s3://...); - is one image on stdin. Without any, stdin is read as a list.",
    ),
]  # fmt: skip

# -- model
Model = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help="A model of the shelf, any timm classifier, or auto.")
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Take the model's weights from a checkpoint (.safetensors, .pth)."),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="Class names: a line each, or JSON. Default: ImageNet's."),
]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="openvino|torch", help="What computes; torch is the slow reference.")
]
Device = Annotated[str, typer.Option("--device", metavar="cpu|cuda|mps", help="Where the torch engine computes.")]
PrecisionOption = Annotated[
    str, typer.Option("--precision", metavar="auto|fp32|bf16", help="auto: bf16 where the CPU has it.")
]
Exact = Annotated[bool, typer.Option("--exact", help="As timm computes: fp32, and every JPEG decoded in full. Slower.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")]

# -- answers
TopK = Annotated[int, typer.Option("--top-k", "-k", metavar="K", min=1, help="Classes a photo, best first.")]
Threshold = Annotated[
    float, typer.Option("--threshold", metavar="P", min=0.0, max=1.0, help="Leave out classes below this probability.")
]
OutputTypeOption = Annotated[
    str, typer.Option("--output-type", metavar="prob|logit", help="What a score is; --threshold is a probability.")
]
LabelTypeOption = Annotated[
    str,
    typer.Option(
        "--label-type", metavar="name|description|detailed", help="One name, all synonyms, or with the definition."
    ),
]

# -- output
Format = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", metavar="table|jsonl|json|csv|tsv|parquet",
        help="Default: by the ending of --output; else a table on a terminal, jsonl in a pipe.", show_default=False,
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the rows to a file.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing --output file, once the new one is complete.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the --output file: do what it lacks, and what failed, again.")
]
Template = Annotated[
    str | None,
    typer.Option(
        "--template", metavar="TEXT", show_default=False,
        help=r"A line a photo in your own form: '{file}\t{label}\t{score:.2f}'.",
    ),
]  # fmt: skip
SummaryFile = Annotated[
    Path | None, typer.Option("--summary-file", metavar="FILE", help="Write the run in numbers to a file, as JSON.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be read: one path a line, or --json.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first input that fails.")]
MaxErrors = Annotated[
    int | None, typer.Option("--max-errors", metavar="N", min=1, help="Stop when N inputs have failed.")
]
Color = Annotated[str, typer.Option("--color", metavar="auto|always|never", help="Colour in tables.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bar.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr.", show_default=False)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

# -- features
KindOption = Annotated[
    str,
    typer.Option(
        "--kind", metavar="pooled|unpooled|multiscale|logits",
        help="The vector before the classifier, the last map, maps of several scales, or the classifier's answer.",
    ),
]  # fmt: skip
OutIndices = Annotated[
    str | None,
    typer.Option(
        "--out-indices", metavar="N,...", show_default=False,
        help="Levels of --kind multiscale, as timm counts them. Default: 1,2,3,4.",
    ),
]  # fmt: skip
FeaturesOutput = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="NAME.npy|.npz|.parquet|-",
        help="Where features go: .npz for multiscale; .parquet holds files and vectors; - is a .npy on stdout.",
    ),
]  # fmt: skip
Index = Annotated[
    Path | None, typer.Option("--index", metavar="FILE", help="The index (JSON Lines) of features on stdout.")
]
DTypeOption = Annotated[str, typer.Option("--dtype", metavar="float32|float16", help="Of the saved numbers.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Bring vectors to unit length (L2).")]

# -- inputs
FilesFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--files-from", metavar="FILE", show_default=False,
        help="Also read a list of inputs: lines, or a column of .csv, .tsv, .jsonl or .parquet; - is stdin. May be"
        " repeated.",
    ),
]  # fmt: skip
Null = Annotated[bool, typer.Option("--null", "-0", help="Lists are separated by NUL, as find -print0 writes them.")]
Column = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="The column of a list with columns. Default: file."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For each address in all, retries included.")
]
Retries = Annotated[
    int, typer.Option("--retries", metavar="N", min=0, max=100, help="Further attempts where they may help.")
]
MaxFileSize = Annotated[
    float,
    typer.Option(
        "--max-file-size", metavar="MB", min=0.001, help="Refuse larger downloads, archive members and images on stdin."
    ),
]
ExcludeDir = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-dir", metavar="NAME", show_default=False,
        help="Skip folders of this name; may be repeated. Adds to .git, node_modules, @eaDir and their like.",
    ),
]  # fmt: skip
IncludeHidden = Annotated[
    bool, typer.Option("--include-hidden", help="Also take files and folders whose names begin with a dot.")
]
Frames = Annotated[
    str, typer.Option("--frames", metavar="N|all", help="Frames of an animation or pages of a file, a row each.")
]
MaxMegapixels = Annotated[
    float, typer.Option("--max-image-megapixels", metavar="MP", min=0.001, help="Refuse larger images.")
]

# -- speed
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", "-b", metavar="N", min=1, max=1024, help="Photos a batch. Default: what suits the CPU."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-j", metavar="N", min=1, max=256, help="Decoding threads. Default: one a core."),
]

# -- info
InfoModel = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="A model of the shelf, any timm classifier, or auto.", show_default=False),
]
InfoWeights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Show what a checkpoint holds, without running anything from it."),
]
Bibtex = Annotated[bool, typer.Option("--bibtex", help="Print how to cite MODEL, as BibTeX.")]
LabelsPattern = Annotated[
    str | None,
    typer.Option(
        "--labels", metavar="[PATTERN]", show_default=False,
        help="List the classes of MODEL or --weights: all, or those that PATTERN finds (*, ?).",
    ),
]  # fmt: skip
Search = Annotated[
    str | None,
    typer.Option(
        "--search", metavar="PATTERN", show_default=False, help="Find timm's pretrained models by name (*, ?)."
    ),
]
Download = Annotated[
    list[str] | None,
    typer.Option(
        "--download", metavar="NAME", show_default=False, help="Fetch and compile a model ahead; may be repeated."
    ),
]
Cache = Annotated[bool, typer.Option("--cache", help="Show what is stored on this machine, its sizes and ages.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove compiled models that nothing can use any more.")]
Clear = Annotated[bool, typer.Option("--clear", help="Remove all compiled models; asks first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Check = Annotated[
    bool, typer.Option("--check", help="Check this installation, with one photo against the reference, and its speed.")
]
JsonDocument = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
