"""The machine's measure, the rate of a matrix product, and what a net computes."""

from fullconv.models import NetSpec
from fullconv.models.analysis.cost import summarize
from turns import Found, Way

SIDE = 2048
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
TRAINING = 3  # passes: forward, and the gradients of a layer's input and of its weights


def products(bf16: bool) -> list[Way]:
    """The product of two square matrices, in each precision that the processor computes in."""
    return [product(precision) for precision in ("fp32", *(("bf16",) if bf16 else ()))]


def product(precision: str) -> Way:
    """The product in one precision."""
    job = {"dtype": DTYPES[precision], "side": SIDE, "repeats": 5}
    return Way(f"product {precision}", "matrix_product", job)


def gflop(spec: NetSpec, size: tuple[int, int], passes: int = 1) -> float:
    """What the convolutions of a net multiply and add, counted plainly."""
    return 2e-9 * passes * summarize(spec, size).multiply_adds


def share(found: Found, rate: float, precision: str) -> str:
    """GFLOP/s as a part of what the product reached in the same rounds."""
    return f"{100 * rate / found.median(product(precision).name, 'gflops'):.0f} %"


def said(found: Found) -> str:
    """The measure in a sentence."""
    names = [name for name in found.answers if name.startswith("product")]
    rates = [f"{found.median(name, 'gflops'):.0f} GFLOP/s in {name.split()[1]}" for name in names]
    return (
        f"The product of two {SIDE}x{SIDE} matrices, in the same rounds: {', '.join(rates)}. "
        "GFLOP/s counts the plain net in its padding; what is saved of that is in favour."
    )
