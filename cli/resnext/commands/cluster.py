"""The options of `--cluster`, which commands that write rows share, and how they become a run on many machines."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from resnext.commands.groups import Option, OptionGroup, WrongValue, shown, whole
from resnext.errors import UsageError

if TYPE_CHECKING:
    from resnext.commands.options import FileOptions, ModelOptions
    from resnext.console.terminal import Notices
    from resnext.errors import ExitCode
    from resnext.outputs.parts.folder import PartFolder
    from resnext.outputs.parts.manifest import Manifest
    from resnext.pipeline.cluster.worker import PartJob
    from resnext.pipeline.run import RunRequest
    from resnext.shelf.shelf import OpenedModel

_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+")


def read_address(value: str) -> str:
    """An address of a cluster: this machine's own, this machine alone, or one that is named."""
    if not _ADDRESS.fullmatch(value):
        raise WrongValue(f"{shown(value)}: neither auto nor local, nor like ray://host:10001")
    return value


def with_address(words: Sequence[str]) -> list[str]:
    """Put the address behind --cluster where it was left out: what follows is then none."""
    end = words.index("--") if "--" in words else len(words)  # behind it there are but paths
    complete: list[str] = []
    for place, word in enumerate(words):
        complete.append(word)
        following = words[place + 1] if place + 1 < len(words) else ""
        if word == "--cluster" and place < end and not _ADDRESS.fullmatch(following):
            complete.append("auto")
    return complete


class ClusterOptions(OptionGroup):
    """Whether many machines share the work, and how."""

    title = "More than one machine (extra: ray)"

    cluster: Annotated[
        str | None,
        Option(
            metavar="[ADDRESS]", parser=read_address, show_default=False,
            help="Do the work on a Ray cluster: auto is the one that this machine belongs to, local this machine alone;"
            " or ray://host:10001. --output is a folder that all machines see, or a store.",
        ),
    ] = None  # fmt: skip
    shard_size: Annotated[
        int | None,
        Option(
            metavar="N", parser=whole(1, 10**6), show_default=False, help="Inputs a part. Default: a minute's work."
        ),
    ] = None
    cpus_per_worker: Annotated[
        int | None,
        Option(metavar="N", parser=whole(1, 1024), show_default=False, help="Default: all cores of a machine."),
    ] = None
    shard_retries: Annotated[
        int,
        Option(
            metavar="N",
            parser=whole(0, 100),
            help="How often a shard's worker may die before the photo is sought.",
        ),
    ] = 2

    @property
    def is_wanted(self) -> bool:
        """Whether a cluster is asked for.

        Raises:
            UsageError: it is not, but what concerns it alone is.
        """
        if self.cluster is None:
            given = {"--shard-size": self.shard_size, "--cpus-per-worker": self.cpus_per_worker}
            for option, value in given.items():
                if value is not None:
                    raise UsageError(f"{option} is for many machines: add --cluster")
        return self.cluster is not None


def one_file(output: str) -> Path:
    """The file of a run without a cluster.

    Raises:
        UsageError: it is an address.
    """
    if "://" in output:
        raise UsageError(f"{shown(output)}: a store takes the parts of --cluster; name a file")
    return Path(output)


class ClusterOutput:
    """The folder or store of `--output`, checked before a model is loaded.

    Raises:
        UsageError: there is none, it can't be gone on with, or holds what is not ours.
        OutputError: it can't be read or written.
    """

    def __init__(self, output: str | None, file: "FileOptions") -> None:
        from resnext.outputs.parts import open_folder
        from resnext.outputs.parts.manifest import check_folder

        if output in (None, "-"):
            raise UsageError("--cluster writes many parts: --output FOLDER/, or a store: s3://bucket/labels/")
        self.folder: PartFolder = open_folder(str(output))
        self.earlier: Manifest | None = check_folder(self.folder, overwrite=file.overwrite, resume=file.resume)
        self._overwrite = file.overwrite

    def model_to_continue_with(self, model: "ModelOptions", notices: "Notices") -> "ModelOptions":
        """For --resume with --model auto: the model that the parts were made with."""
        from resnext.commands import requests

        made_with = self.earlier.settings.values.get("--model") if self.earlier is not None else None
        return requests.same_model(model, made_with, self.folder.name, notices)

    def run(
        self,
        options: ClusterOptions,
        run: "RunRequest",
        make_job: "Callable[[OpenedModel], PartJob]",
        notices: "Notices",
    ) -> "ExitCode":
        """Do the run on the cluster; gives the exit code. Raises ResnextError."""
        from resnext.pipeline.cluster.driver import ClusterRequest, run_on_cluster

        assert options.cluster is not None
        request = ClusterRequest(options.cluster, options.cpus_per_worker, options.shard_size, options.shard_retries)
        return run_on_cluster(
            request, run, make_job, self.folder, self.earlier, overwrite=self._overwrite, notices=notices
        )
