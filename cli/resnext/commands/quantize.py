"""`resnext quantize`: an int8 graph of a model, made and measured on photos of one's own."""

import sys
from typing import Annotated

from resnext.commands.groups import MessageOptions, Option, OptionGroup, command, number, whole
from resnext.commands.options import InputOptions, ModelOptions
from resnext.errors import ExitCode


class QuantizeOptions(OptionGroup):
    """How it is made, and what it must reach."""

    title = "Quantization"

    calibrate: Annotated[
        int,
        Option(metavar="N", parser=whole(20, 10_000), help="Photos of the sample that calibrate, 20 to 10000."),
    ] = 300
    validate: Annotated[
        int,
        Option(metavar="N", parser=whole(20, 10_000), help="Other photos of the sample that validate."),
    ] = 300
    agreement: Annotated[
        float,
        Option(
            metavar="P", parser=number(0, 1),
            help="The share of photos whose best class must be that of fp32, 0 to 1; of those where it leads by 5"
            " points five times fewer may differ. Where it is not reached, layers are left in higher precision.",
        ),
    ] = 0.99  # fmt: skip
    overwrite: Annotated[bool, Option("--overwrite", help="Make it again, also if it was made of the same photos.")] = (
        False
    )
    json: Annotated[bool, Option("--json", help="Print one JSON document.")] = False


@command(
    examples=[
        "resnext quantize photos/",
        "resnext quantize photos/ -m ssl_resnext101_32x16d --agreement 0.995",
        "resnext classify photos/ --precision int8",
    ]
)
def quantize(
    inputs: InputOptions, model: ModelOptions, quantization: QuantizeOptions, messages: MessageOptions
) -> ExitCode:
    """Make a model twice as fast in int8, and measure on your own photos how far its labels agree.

    A sample of the photos calibrates it, others validate it. It is kept beside the model for --precision int8, with
    what was measured. Needs the extra int8. Exit status: 0 kept, 2 wrong usage, 3 it can't be had as wanted.
    """
    from resnext.commands import requests
    from resnext.console.interrupts import dying_of_signals
    from resnext.console.terminal import use_color
    from resnext.images.resources import processors
    from resnext.info import quantization as page_of
    from resnext.info.page import Page, write_json
    from resnext.outputs import terminal_width
    from resnext.pipeline.quantize_job import QuantizeRequest
    from resnext.pipeline.quantize_job import quantize as run
    from resnext.shelf.shelf import ModelRequest

    with dying_of_signals("interrupted; nothing was kept"):
        found = run(
            QuantizeRequest(
                paths=tuple(inputs.paths or ()),
                model=ModelRequest(
                    model=model.model,
                    weights=model.weights,
                    offline=model.offline,
                    precision="fp32",
                    outputs=("logits", "pooled"),
                    tuning="throughput",
                ),
                sources=requests.source_config(inputs, model.offline),
                max_megapixels=inputs.max_image_megapixels,
                workers=processors(),
                calibrate=quantization.calibrate,
                validate=quantization.validate,
                agreement=quantization.agreement,
                again=quantization.overwrite,
            ),
            messages.notices(),
        )
    if quantization.json:
        write_json(found)
    else:
        page = Page(terminal_width(), use_color(sys.stdout, messages.color))
        page_of.show(found, page)
        page.write()
    return ExitCode.OK
