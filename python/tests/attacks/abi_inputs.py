"""Texts and descriptions that are wrong."""

BAD_UTF8 = [b"\xff", b"\x80", b"a\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\x90"]
BAD_JSON = [
    b"{", b"}", b"[]", b"1", b"null", b'"x"', b'{"a":1', b'{"overwrite":"yes"}', b'{"overwrite":true,"overwrite":true}', b'{"":1}',
    b'{"overwrite":NaN}', b'{"overwrite":1e999}', b"{}x", b"\xef\xbb\xbf{}", b"{'a':1}", b'{"a":' * 100 + b"1" + b"}" * 100,
    b"[" * 1_000_000, b'{"\\ud800":1}', b'{"if_match":"\\ud800"}', b'{"metadata":{"\\udfff":"x"}}', b'{"metadata":{"x":"\\ud800"}}',
    b'{"expected_checksum":"crc32c:zzzzzzzz"}', b'{"page_size":0}', b'{"page_size":1e30}', b'{"pattern":"("}', b'{"pattern":"(?<=a)b"}',
    b'{"pattern":"' + b"(" * 3000 + b'"}', b'{"pattern":"' + b"a" * 5000 + b'"}', b'{"' + b"n" * 1_000_000 + b'":1}', b'{"x":"' + b"y" * 1_000_000,  # noqa: E501
]  # fmt: skip
BAD_ARRAYS = [
    {"descr": "'<f4'"}, {"shape": [1]}, {"descr": "'<f4'", "shape": [-1]}, {"descr": "'<f4'", "shape": [2**63]}, {"descr": "'<f4'", "shape": [2**62] * 64},  # noqa: E501
    {"descr": "'<f4'", "shape": [1] * 65}, {"descr": "'<f4'", "shape": 3}, {"descr": "'<f4'", "shape": [1.5]}, {"descr": 4, "shape": [1]},
    {"descr": "'<f4', 'x': (", "shape": [4]}, {"descr": "__import__('os')", "shape": [4]}, {"descr": "[" * 100_000, "shape": [4]}, {"descr": "", "shape": [4]},  # noqa: E501
]  # fmt: skip
BAD_TENSORS = [
    {"name": "w", "dtype": "F32"}, {"name": "w", "shape": [4]}, {"dtype": "F32", "shape": [4]}, {"name": "w", "dtype": "F33", "shape": [4]},
    {"name": "w", "dtype": "F32", "shape": [5]}, {"name": "w", "dtype": "F32", "shape": [2**62, 2**62]}, {"name": "w", "dtype": "F32", "shape": [1] * 65},  # noqa: E501
    {"name": "__metadata__", "dtype": "F32", "shape": [4]}, {"name": "w", "dtype": "F32", "shape": [-4]}, 7,
]  # fmt: skip
