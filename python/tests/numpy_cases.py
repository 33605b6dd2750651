"""The arrays that the tests of arrays and tensors save: every dtype NumPy can hold but object, in every layout."""

from __future__ import annotations

import numpy as np

PLAIN = [
    *("?", "i1", "u1"),
    *(order + kind for kind in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16") for order in "<>"),
    *("M8[ns]", ">M8[s]", "M8[25D]", "M8", "m8[us]", ">m8[Y]", "m8"),
    *("S1", "S7", "<U1", "<U5", ">U5", "V1", "V3", "V16"),
]
LONG = [np.dtype("g"), np.dtype("g").newbyteorder(), np.dtype("G"), np.dtype("G").newbyteorder()]
EMPTY_ITEMS = ["S0", "U0", "V0", []]
STRUCTURED = {
    "two": [("a", "<i4"), ("b", ">f8")],
    "nested": [("p", [("x", "<f4"), ("q", [("y", "<i2"), ("z", "S3")])]), ("n", "u1")],
    "subarray": [("m", "<f4", (2, 3)), ("v", "<u2", 4)],
    "titles": [(("a title", "a"), "<i4"), (("ünï", "b"), "<f8")],
    "aligned": np.dtype([("a", "u1"), ("b", "<f8"), ("c", "u1")], align=True),
    "padded": np.dtype({"names": ["a", "b"], "formats": ["<i4", "u1"], "offsets": [3, 11], "itemsize": 20}),
    "aligned subarray": np.dtype([("a", "u1"), ("b", [("c", "u1"), ("d", "<i4")], (2,))], align=True),
    "empty field": [("a", "S0"), ("b", "<i2")],
    "times": [("t", "<M8[ns]"), ("d", ">m8[s]")],
    "latin name": [("é", "<i4")],
    "wide name": [("名前", "<i4"), ('it\'s "quoted" \\ \n', "u1")],
}

DTYPES: dict[str, np.dtype] = {
    **{str(name): np.dtype(name) for name in PLAIN},
    **{f"{'swapped ' if d.byteorder == '>' else ''}{d.type.__name__}": d for d in LONG},
    **{repr(name): np.dtype(name) for name in EMPTY_ITEMS},
    **{name: np.dtype(fields) for name, fields in STRUCTURED.items()},
}

#: The types of ml_dtypes that a .npy file keeps.
ML_DTYPES = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "int2",
    "int4",
    "uint2",
    "uint4",
]

LAYOUTS = [
    "C",
    "Fortran",
    "strided",
    "negative",
    "transposed",
    "broadcast",
    "read-only",
    "0-d",
    "one",
    "(0,)",
    "(0, 3)",
    "(3, 0)",
    "empty negative",
    "1-d",
    "unaligned",
]


def fill(array: np.ndarray, seed: int = 1) -> np.ndarray:
    """Gives every element a value, the odd ones among them; the bytes between fields stay."""
    dtype = array.dtype
    if dtype.fields is not None:
        for number, name in enumerate(dtype.names):
            fill(array[name], seed + number)
        return array
    random = np.random.default_rng(seed)
    if dtype.kind in "SU":
        letters = np.array([b"", b"a", b"xyz", b"longer than it"]) if dtype.kind == "S" else np.array(["", "é", "名前名前", "\U0001f600x"])
        array[...] = random.choice(letters, array.shape).astype(dtype) if dtype.itemsize else letters[0]
    elif dtype.kind in "fc" and dtype.itemsize in (16, 32):
        # of a long double's 16 bytes 10 count, and not every pattern is a number
        array[...] = random.standard_normal(array.shape) * (1 - 2j if dtype.kind == "c" else 1)
    elif dtype.itemsize:
        raw = random.integers(0, 2 if dtype.kind == "b" else 256, (*array.shape, dtype.itemsize), np.uint8)
        array[...] = raw.view(dtype).reshape(array.shape)
    return array


def lay(dtype: np.dtype, layout: str) -> np.ndarray:
    """An array of the dtype, with its elements in memory as the layout says."""
    if layout == "Fortran":
        return fill(np.zeros((3, 4, 5), dtype, order="F"))
    if layout == "strided":
        return fill(np.zeros((6, 8, 5), dtype))[::2, 1::3, ::2]
    if layout == "negative":
        return fill(np.zeros((4, 5), dtype))[::-1, ::-2]
    if layout == "transposed":
        return fill(np.zeros((3, 4, 5), dtype)).transpose(1, 2, 0)
    if layout == "broadcast":
        return np.broadcast_to(fill(np.zeros((3, 1, 2), dtype)), (3, 4, 2))
    if layout == "unaligned":
        raw = np.zeros(12 * dtype.itemsize + 1, np.uint8)
        return fill(np.ndarray((3, 4), dtype, raw, 1) if dtype.itemsize else np.zeros((3, 4), dtype))
    if layout == "read-only":
        array = fill(np.zeros((2, 3), dtype))
        array.flags.writeable = False
        return array
    if layout == "empty negative":
        return np.zeros((4, 3), dtype)[2:2:-1, ::-1]
    shapes = {"C": (3, 4, 5), "0-d": (), "one": (1, 1), "(0,)": (0,), "(0, 3)": (0, 3), "(3, 0)": (3, 0), "1-d": (17,)}
    return fill(np.zeros(shapes[layout], dtype))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal dtype, shape and elements, to the bit but for long doubles' unused bytes and those between fields."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.fields is not None:
        return all(same(a[name], b[name]) for name in a.dtype.names)
    if a.dtype.kind in "fc" and a.dtype.itemsize in (16, 32) and a.dtype.itemsize != np.dtype("c16").itemsize:
        return np.array_equal(a, b)
    return a.tobytes() == b.tobytes()
