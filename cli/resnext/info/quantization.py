"""What was measured of a model's int8 graph when it was made, for people."""

from typing import Any

from resnext.info.page import Page, size_text

# Less is within what a measurement of a second varies.
_GAIN = 1.1


def show(found: dict[str, Any], page: Page) -> None:
    """The report of one int8 graph: what it is worth, what it costs, how it was measured."""
    page.heading(f"{found['model']} in int8")
    page.line()
    page.facts(facts(found))
    if not found["int8_instructions"]:
        page.line()
        page.line(f"{found['processor']} has neither VNNI nor AMX: {gained(found)} by int8 here.")
    page.line()
    page.line(f"resnext classify PHOTOS... -m {found['model']} --precision int8")


def gained(found: dict[str, Any]) -> str:
    """Say what int8 gains against the fastest other precision, as it was measured."""
    speed = found["photos_per_second"]
    ratio = speed["int8"] / max(speed["bf16"] or 0, speed["fp32"])
    return f"{ratio:.1f} times the photos a second are had" if ratio >= _GAIN else "nothing is gained"


def facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each finding."""
    speed, size = found["photos_per_second"], found["size_bytes"]
    others = ", ".join(
        f"{speed['int8'] / speed[name]:.2f} times {name} ({speed[name]:g})" for name in ("bf16", "fp32") if speed[name]
    )
    left_out = found["left_out"]
    return [
        (
            "labels",
            f"{found['top1']:.1%} agree with fp32; {found['clear_top1']:.1%} of the {found['clear_photos']} where"
            f" the best class leads by 5 points; the largest change of a probability is {found['largest_change']:.3f}",
        ),
        ("features", f"cosine to fp32: median {found['cosine_median']:.5f}, worst {found['cosine_worst']:.5f}"),
        ("speed", f"{speed['int8']:g} photos a second, {others}; the engine alone, on {found['processor']}"),
        ("size", f"{size_text(size['int8'])}; fp32 {size_text(size['fp32'])}"),
        (
            "layers",
            f"{len(left_out)} left in higher precision, {found['left_out_share']:.0%} of the multiply-adds"
            if left_out
            else "all in int8",
        ),
        (
            "measured on",
            f"{found['photos']} photos; {found['calibration_photos']} others calibrated it, with NNCF {found['nncf']}",
        ),
    ]
