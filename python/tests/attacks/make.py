"""Makes the hostile files that attacks.json lists: ``python make.py FOLDER`` writes them all, for use with other readers."""

from __future__ import annotations

import json
import pickle
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def npy(text: str | bytes, data: bytes = b"", major: int = 1) -> bytes:
    """A .npy file with that header text, padded as the format wants it."""
    raw = text if isinstance(text, bytes) else text.encode("utf8" if major == 3 else "latin1")
    raw += b" " * (-(len(raw) + 1 + (10 if major == 1 else 12)) % 64) + b"\n"
    return b"\x93NUMPY" + bytes((major, 0)) + struct.pack("<H" if major == 1 else "<I", len(raw)) + raw + data


def array(
    descr: str = "'<f8'", shape: str = "(2,)", order: str = "False", data: bytes = bytes(64), more: str = "", major: int = 1
) -> bytes:
    """A .npy file whose header has these texts as values."""
    return npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}{more}", data, major)


def length(major: int, claimed: int, data: bytes = b"") -> bytes:
    """A .npy file that claims that length of its header."""
    return b"\x93NUMPY" + bytes((major, 0)) + struct.pack("<H" if major == 1 else "<I", claimed) + data


def tensors(text: str | bytes, data: bytes = b"", claimed: int | None = None) -> bytes:
    """A safetensors file with that header text."""
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw) if claimed is None else claimed) + raw + data


def entry(dtype: str = '"F32"', shape: str = "[2]", offsets: str = "[0,8]") -> str:
    return f'{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}'


def one(dtype: str = '"F32"', shape: str = "[2]", offsets: str = "[0,8]", data: bytes = bytes(8)) -> bytes:
    """A safetensors file with one tensor of these texts."""
    return tensors(f'{{"a":{entry(dtype, shape, offsets)}}}', data)


def two(first: str, second: str, size: int) -> bytes:
    """A safetensors file with two U8 tensors of those offsets."""
    entries = ",".join(
        f'"{name}":{entry(chr(34) + "U8" + chr(34), f"[{o[1] - o[0]}]", json.dumps(o))}'
        for name, o in (("a", json.loads(first)), ("b", json.loads(second)))
    )
    return tensors(f"{{{entries}}}", bytes(size))


def with_metadata(metadata: str) -> bytes:
    return tensors(f'{{"__metadata__":{metadata},"a":{entry()}}}', bytes(8))


def many(count: int) -> Iterable[bytes]:
    parts = [b"{", *(b'"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},' % i for i in range(count))]
    raw = b"".join(parts)[:-1] + b"}"
    return [struct.pack("<Q", len(raw)), raw]


CODE = "__import__('os').mkdir('code-was-run')"

NPY: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "magic cut short": lambda: b"\x93NUM",
    "magic alone": lambda: b"\x93NUMPY",
    "version cut short": lambda: b"\x93NUMPY\x01\x00\x76",
    "zip": lambda: b"PK\x03\x04" + bytes(60),
    "pickle": lambda: pickle.dumps([1, 2, 3], protocol=4),
    "version 0.0": lambda: b"\x93NUMPY\0\0" + bytes(120),
    "version 1.1": lambda: b"\x93NUMPY\x01\x01" + bytes(120),
    "version 255.255": lambda: b"\x93NUMPY\xff\xff" + bytes(120),
    "header beyond the file": lambda: length(1, 65535, b"{"),
    "header of 4 GiB": lambda: length(2, 0xFFFFFFFF, b"{"),
    "header of 2 GiB": lambda: length(3, 0x7FFFFFFF, b"{"),
    "header over the limit": lambda: length(2, (1 << 20) + 1, b" " * (1 << 21)),
    "header of spaces": lambda: length(2, 1 << 20, b" " * (1 << 20)),
    "header of nothing": lambda: length(1, 0, bytes(100)),
    "shape of 2^50": lambda: array(shape=f"({1 << 50},)"),
    "shape of 2^63-1": lambda: array(shape=f"({(1 << 63) - 1},)"),
    "shape of 2^63": lambda: array(shape=f"({1 << 63},)"),
    "shape of 2^64+2": lambda: array(shape=f"({(1 << 64) + 2},)"),
    "shape whose product wraps to 0": lambda: array(shape=f"({1 << 32}, {1 << 32})"),
    "shape whose product wraps to 2": lambda: array(shape=f"({(1 << 63) + 1}, 2)"),
    "shape whose bytes wrap to 0": lambda: array(shape=f"({1 << 61},)"),
    "shape of 2^61 beside 0": lambda: array(shape=f"(0, {1 << 61})"),
    "shape that overflows beside 0": lambda: array(shape=f"(0, {1 << 62}, {1 << 62})"),
    "shape of a million digits": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 1_000_000 + ",), }", major=2),
    "shape negative": lambda: array(shape="(-1,)"),
    "shape of a float": lambda: array(shape="(2.0,)"),
    "shape of an exponent": lambda: array(shape="(1e9,)"),
    "shape of a bool": lambda: array(shape="(True,)"),
    "shape in hexadecimal": lambda: array(shape="(0x10,)"),
    "shape with underscore": lambda: array(shape="(1_0,)"),
    "shape as a power": lambda: array(shape="(2**62,)"),
    "shape as a list": lambda: array(shape="[2]"),
    "shape as an integer": lambda: array(shape="2"),
    "shape in parentheses": lambda: array(shape="(2)"),
    "shape nested": lambda: array(shape="((2,),)"),
    "shape of 65 dimensions": lambda: array(shape="(" + "1," * 65 + ")"),
    "shape of 64 dimensions without data": lambda: array(shape="(" + "1," * 64 + ")", data=b""),
    "shape as code": lambda: array(shape=f"({CODE},)"),
    "order as a number": lambda: array(order="1"),
    "order as text": lambda: array(order="'True'"),
    "order as code": lambda: array(order=CODE),
    "data missing": lambda: array(data=b""),
    "data one byte short": lambda: array(data=bytes(15)),
    "object": lambda: array("'|O'", "(1,)", data=pickle.dumps([1])),
    "object without order": lambda: array("'O'", "(1,)", data=bytes(8)),
    "object of 8": lambda: array("'|O8'", "(1,)"),
    "object by name": lambda: array("'object'", "(1,)"),
    "object by capital name": lambda: array("'Object0'", "(1,)"),
    "object escaped": lambda: array(r"'\x4f'", "(1,)"),
    "object in a list of types": lambda: array("'i4,O'", "(1,)"),
    "object in a field": lambda: array("[('a', '<i4'), ('b', '|O')]", "(1,)"),
    "object in a nested field": lambda: array("[('a', [('b', [('c', '|O')])])]", "(1,)"),
    "object in a subarray": lambda: array("[('a', '|O', (2,))]", "(1,)"),
    "object in a subarray type": lambda: array("('|O', (2,))", "(1,)"),
    "string dtype": lambda: array("'|T16'", "(1,)"),
    "object by an ml_dtypes class": lambda: array("'|V8'", more=" # s3dlio-dtype: finfo", data=b"A" * 16),
    "object by another ml_dtypes class": lambda: array("'|V8'", more=" # s3dlio-dtype: iinfo", data=b"A" * 16),
    "ml_dtypes module variable": lambda: array("'|V8'", more=" # s3dlio-dtype: __builtins__"),
    "ml_dtypes of another size": lambda: array("'|V8'", more=" # s3dlio-dtype: bfloat16"),
    "ml_dtypes name as a path": lambda: array("'|V2'", more=" # s3dlio-dtype: bfloat16.__class__"),
    "ml_dtypes name of nothing": lambda: array("'|V2'", more=" # s3dlio-dtype:"),
    "ml_dtypes beside a number": lambda: array("'<i2'", more=" # s3dlio-dtype: bfloat16"),
    "descr as code": lambda: array(CODE),
    "descr as a lambda": lambda: array("(lambda: 0)()"),
    "descr as an f-string": lambda: array(f'f"{{{CODE}}}"'),
    "descr as bytes": lambda: array("b'<f8'"),
    "descr as a number": lambda: array("8"),
    "descr as None": lambda: array("None"),
    "descr as a dictionary": lambda: array("{'a': ('<i4', 0)}"),
    "descr empty": lambda: array("''"),
    "descr of an unknown type": lambda: array("'<q9'"),
    "descr of an unknown unit": lambda: array("'<M8[parsec]'"),
    "descr with a line break": lambda: array("'<f8\n'"),
    "descr with an octal escape": lambda: array(r"'\117'"),
    "descr with a named escape": lambda: array(r"'\N{LATIN CAPITAL LETTER O}'"),
    "descr unclosed": lambda: array("'<f8"),
    "descr of negative size": lambda: array("'V-1'"),
    "descr whose size wraps to negative": lambda: array("'|V2147483648'"),
    "descr whose size wraps to 1": lambda: array("'|V4294967297'"),
    "descr of texts whose size wraps": lambda: array("'<U536870912'"),
    "descr of a field whose size wraps": lambda: array("[('a', '|V4294967297')]"),
    "descr of fields whose sizes wrap": lambda: array("[('a', '|V2147483647'), ('b', '|V2147483647'), ('c', '|V3')]"),
    "descr of a subarray whose size wraps": lambda: array("[('a', '<i4', (65536, 65536))]"),
    "descr of a subarray of 2^62": lambda: array(f"[('a', '<i4', {1 << 62})]"),
    "descr of a subarray alone": lambda: array("('<i4', (2,))"),
    "descr of a negative subarray": lambda: array("[('a', '<i4', (-1,))]"),
    "descr of text as subarray": lambda: array("[('a', '<i4', '3')]"),
    "descr with a field twice": lambda: array("[('a', '<i4'), ('a', '<i4')]"),
    "descr with a field of one": lambda: array("[('a',)]"),
    "descr with a field of five": lambda: array("[('a', '<i4', 1, 2, 3)]"),
    "descr of 33 nested types": lambda: array("[('a', " * 33 + "'<i4'" + ")]" * 33),
    "descr of 10,000 brackets": lambda: array("[" * 10_000),
    "descr of 60,000 parentheses": lambda: npy("{'descr': " + "(" * 60_000, major=2),
    "descr of 300,000 nested fields": lambda: npy("{'descr': " + "[('a'," * 150_000, major=2),
    "descr of 100,000 characters": lambda: array("'" + "x" * 100_000 + "'", major=2),
    "descr of 50,000 fields of one name": lambda: array("[" + "('a','<i4')," * 50_000 + "]", major=2),
    "dictionary missing": lambda: npy(""),
    "dictionary as a list": lambda: npy("['<f8', False, (2,)]"),
    "dictionary as code": lambda: npy(f"dict(descr='<f8', fortran_order=False, shape=(2,), x={CODE})"),
    "dictionary as a set": lambda: npy("{'descr', 'fortran_order', 'shape'}"),
    "dictionary unclosed": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), "),
    "dictionary with more behind": lambda: array(more=f"; {CODE}"),
    "dictionary with more in the next line": lambda: array(more=f"\n{CODE}"),
    "dictionary with more behind a comment": lambda: array(more=f" # s3dlio-dtype\n{CODE}"),
    "dictionary unpacked": lambda: npy("{**{}, 'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"),
    "key missing": lambda: npy("{'descr': '<f8', 'shape': (2,)}"),
    "key too many": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'x': 1}"),
    "key twice": lambda: npy("{'descr': '<f8', 'descr': '|O', 'fortran_order': False, 'shape': (2,)}"),
    "key as bytes": lambda: npy("{b'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"),
    "key escaped": lambda: npy(r"{'descr': '<f8', '\x64escr': '<f4', 'fortran_order': False, 'shape': (2,)}"),
    "zero byte in the header": lambda: npy(b"{'descr': '<f8', \0'fortran_order': False, 'shape': (2,)}"),
    "UTF-8 malformed": lambda: npy(b"{'descr': [('\xff\xfe', '<f8')], 'fortran_order': False, 'shape': (2,)}", major=3),
    "UTF-8 overlong": lambda: npy(b"{'descr': '\xc1\x8f', 'fortran_order': False, 'shape': (2,)}", major=3),
    "UTF-8 surrogate": lambda: npy(b"{'descr': [('\xed\xa0\x80', '<f8')], 'fortran_order': False, 'shape': (2,)}", major=3),
}

SAFETENSORS: dict[str, Callable[[], bytes | Iterable[bytes]]] = {
    "empty": lambda: b"",
    "length cut short": lambda: b"\x10\0\0\0\0\0\0",
    "length of 0": lambda: bytes(8),
    "length of 2^64-1": lambda: b"\xff" * 8 + b"{}",
    "length of 2^63": lambda: tensors("{}", claimed=1 << 63),
    "length one beyond the file": lambda: tensors("{}", claimed=3),
    "length of the whole limit": lambda: tensors("{}", claimed=100_000_000),
    "length over the limit, and there": lambda: [struct.pack("<Q", 100_000_001), 100_000_001],
    "header of 100 MB of zeros": lambda: [struct.pack("<Q", 100_000_000), 100_000_000],
    "header of 50 MB of spaces": lambda: tensors(b" " * 50_000_000),
    "header of 30 MB of brackets": lambda: tensors(b"[" * 30_000_000),
    "header of 100,000 objects": lambda: tensors('{"a":' * 100_000),
    "header nested in a tensor": lambda: one(shape="[[[[[[[[2]]]]]]]]"),
    "header of 1,000,001 tensors": lambda: many(1_000_001),
    "header as an array": lambda: tensors("[]"),
    "header as null": lambda: tensors("null"),
    "header as text": lambda: tensors('"{}"'),
    "header as a number": lambda: tensors("1"),
    "header twice": lambda: tensors("{}{}"),
    "header with text behind": lambda: tensors("{} x"),
    "header with a zero behind": lambda: tensors("{}\0"),
    "header unclosed": lambda: tensors('{"a":' + entry(), bytes(8)),
    "header with a comment": lambda: tensors("{/* */}"),
    "header with a trailing comma": lambda: tensors(f'{{"a":{entry()},}}', bytes(8)),
    "header with single quotes": lambda: tensors("{'a':1}"),
    "header with a byte order mark": lambda: tensors(b"\xef\xbb\xbf{}"),
    "header in UTF-16": lambda: tensors("{}".encode("utf-16")),
    "header in malformed UTF-8": lambda: tensors(b'{"\xff":' + entry().encode() + b"}", bytes(8)),
    "header in overlong UTF-8": lambda: tensors(b'{"\xc0\x80":' + entry().encode() + b"}", bytes(8)),
    "header in UTF-8 cut short": lambda: tensors(b'{"\xe5\x90'),
    "name of half a surrogate pair": lambda: tensors('{"\\ud800":' + entry() + "}", bytes(8)),
    "name twice": lambda: tensors(f'{{"a":{entry()},"a":{entry()}}}', bytes(8)),
    "name twice, once escaped": lambda: tensors(
        '{"a":' + entry(offsets="[0,8]") + ',"\\u0061":' + entry(offsets="[8,16]") + "}", bytes(16)
    ),
    "name of 65,537 bytes": lambda: tensors('{"' + "n" * 65_537 + '":' + entry() + "}", bytes(8)),
    "name with a raw line break": lambda: tensors('{"a\n":' + entry() + "}", bytes(8)),
    "name that forges a message": lambda: tensors('{"\\n\\u001b[31mERROR\\u202e":' + entry(offsets="[0,9]") + "}", bytes(9)),
    "tensor as null": lambda: tensors('{"a":null}'),
    "tensor as an array": lambda: tensors('{"a":["F32",[2],[0,8]]}', bytes(8)),
    "tensor without dtype": lambda: tensors('{"a":{"shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    "tensor without shape": lambda: tensors('{"a":{"dtype":"F32","data_offsets":[0,8]}}', bytes(8)),
    "tensor without offsets": lambda: tensors('{"a":{"dtype":"F32","shape":[2]}}', bytes(8)),
    "tensor with more": lambda: tensors('{"a":' + entry()[:-1] + ',"x":1}}', bytes(8)),
    "tensor with a field twice": lambda: tensors('{"a":' + entry()[:-1] + ',"shape":[2]}}', bytes(8)),
    "dtype unknown": lambda: one('"F8"'),
    "dtype in small letters": lambda: one('"f32"'),
    "dtype empty": lambda: one('""'),
    "dtype as a number": lambda: one("32"),
    "dtype as null": lambda: one("null"),
    "dtype of 100,000 characters": lambda: one('"' + "F" * 100_000 + '"'),
    "shape negative": lambda: one(shape="[-2]"),
    "shape of minus zero": lambda: one(shape="[-0]", offsets="[0,0]", data=b""),
    "shape of a float": lambda: one(shape="[2.0]"),
    "shape of an exponent": lambda: one(shape="[2e0]"),
    "shape of NaN": lambda: one(shape="[NaN]"),
    "shape of infinity": lambda: one(shape="[Infinity]"),
    "shape of 1e400": lambda: one(shape="[1e400]"),
    "shape of a leading zero": lambda: one(shape="[02]"),
    "shape of text": lambda: one(shape='["2"]'),
    "shape of null": lambda: one(shape="[null]"),
    "shape of true": lambda: one(shape="[true]"),
    "shape as a number": lambda: one(shape="2"),
    "shape as an object": lambda: one(shape="{}"),
    "shape of 2^63": lambda: one(shape=f"[{1 << 63}]"),
    "shape of 2^64+2": lambda: one(shape=f"[{(1 << 64) + 2}]"),
    "shape of a million digits": lambda: one(shape="[" + "9" * 1_000_000 + "]"),
    "shape whose product wraps to 0": lambda: one(shape=f"[{1 << 32},{1 << 32}]", offsets="[0,0]", data=b""),
    "shape whose product wraps to 2": lambda: one(shape=f"[{(1 << 62) + 1},4,1]", offsets="[0,8]"),
    "shape whose bits wrap to 0": lambda: one(shape=f"[{1 << 59}]", offsets="[0,0]", data=b""),
    "shape that overflows before 0": lambda: one(shape=f"[{1 << 62},4,0]", offsets="[0,0]", data=b""),
    "shape of 2^50 in a small file": lambda: one(shape=f"[{1 << 50}]", offsets=f"[0,{1 << 52}]"),
    "shape that NumPy cannot hold": lambda: one('"F64"', f"[{1 << 61},0]", "[0,0]", b""),
    "shape of 65 dimensions": lambda: one(shape="[" + "1," * 64 + "2]"),
    "shape of 5 half bytes": lambda: one('"F4"', "[5]", "[0,3]", bytes(3)),
    "shape of 3 elements of 6 bits": lambda: one('"F6_E2M3"', "[3]", "[0,3]", bytes(3)),
    "offsets backwards": lambda: one(offsets="[8,0]"),
    "offsets negative": lambda: one(offsets="[-8,0]"),
    "offsets of one": lambda: one(offsets="[8]"),
    "offsets of three": lambda: one(offsets="[0,8,8]"),
    "offsets of none": lambda: one(offsets="[]"),
    "offsets as a number": lambda: one(offsets="8"),
    "offsets of floats": lambda: one(offsets="[0.0,8.0]"),
    "offsets too far apart": lambda: one(offsets="[0,9]", data=bytes(9)),
    "offsets too near": lambda: one(offsets="[0,7]", data=bytes(7)),
    "offsets beyond the file": lambda: one(offsets="[100,108]"),
    "offsets of 2^63": lambda: one(offsets=f"[{(1 << 63) - 8},{1 << 63}]"),
    "offsets that end at 2^63-1": lambda: one(offsets=f"[{(1 << 63) - 9},{(1 << 63) - 1}]"),
    "hole at the beginning": lambda: two("[1,2]", "[2,3]", 3),
    "hole in the middle": lambda: two("[0,1]", "[2,3]", 3),
    "overlap": lambda: two("[0,2]", "[1,3]", 3),
    "overlap of all": lambda: two("[0,3]", "[0,3]", 3),
    "overlap within": lambda: two("[0,4]", "[1,2]", 4),
    "tail": lambda: two("[0,1]", "[1,2]", 3),
    "tail without tensors": lambda: tensors("{}", b"x"),
    "data cut short": lambda: two("[0,1]", "[1,3]", 2),
    "data missing": lambda: one(data=b""),
    "metadata as an array": lambda: with_metadata("[]"),
    "metadata of a number": lambda: with_metadata('{"a":1}'),
    "metadata of null": lambda: with_metadata('{"a":null}'),
    "metadata nested": lambda: with_metadata('{"a":{"b":"c"}}'),
    "metadata key twice": lambda: with_metadata('{"a":"1","a":"2"}'),
    "metadata twice": lambda: tensors('{"__metadata__":{},"__metadata__":{}}'),
    "metadata as a tensor": lambda: tensors('{"__metadata__":' + entry() + "}", bytes(8)),
    "metadata of half a surrogate pair": lambda: with_metadata('{"a":"\\udc00"}'),
    "checksums without a format": lambda: with_metadata('{"s3dlio.crc32c":"crc32c:00000000","s3dlio.crc32c/a":"crc32c:8a9136aa"}'),
    "checksums of another format": lambda: with_metadata('{"s3dlio.format":"2","s3dlio.crc32c":"crc32c:00000000"}'),
    "checksums without the header's": lambda: with_metadata('{"s3dlio.format":"1","s3dlio.crc32c/a":"crc32c:8a9136aa"}'),
    "checksums with a wrong header": lambda: with_metadata(
        '{"s3dlio.format":"1","s3dlio.crc32c":"crc32c:00000000","s3dlio.crc32c/a":"crc32c:8a9136aa"}'
    ),
    "checksums with an escaped header": lambda: with_metadata('{"s3dlio.format":"1","s3dlio.crc32c":"crc32c\\u003a00000000"}'),
    "checksums of something else": lambda: with_metadata('{"s3dlio.format":"1","s3dlio.crc32c":"md5"}'),
    "npy": lambda: array(),
    "zip": lambda: b"PK\x03\x04" + bytes(60),
    "pickle": lambda: pickle.dumps({"a": 1}, protocol=4),
}

ALL = {"npy": NPY, "safetensors": SAFETENSORS}


def write(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Writes a file; a number among the parts stands for that many zeros, which take no room."""
    with open(path, "wb") as file:
        for part in [content] if isinstance(content, bytes) else content:
            if isinstance(part, int):
                file.truncate(file.tell() + part)
                file.seek(part, 1)
            else:
                file.write(part)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind, attacks in ALL.items():
        for name, make in attacks.items():
            write(folder / f"{name.replace(' ', '-')}.{kind}", make())
