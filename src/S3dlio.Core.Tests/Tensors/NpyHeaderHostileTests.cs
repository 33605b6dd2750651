using System.Text;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

public sealed class NpyHeaderHostileTests
{
    const string Uri = "mem://b/a.npy";
    const string Good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";

    // as in numpy.lib.format: prefix bytes, object length, where, what
    [Theory]
    [InlineData("", 0L, 0L, "expected the .npy magic 934e554d5059, found an empty object")]
    [InlineData("934e55", 3L, 0L, "expected the .npy magic 934e554d5059, found the bytes 934e55")]
    [InlineData("504b030414000000", 100L, 0L, "expected the .npy magic 934e554d5059, found the bytes 504b03041400")]
    [InlineData("934e554d505901", 7L, 7L, "expected a format version after the .npy magic, found the end of the object")]
    [InlineData("934e554d50590400", 100L, 6L, "expected .npy format version 1.0, 2.0 or 3.0, found 4.0")]
    [InlineData("934e554d50590101", 100L, 6L, "expected .npy format version 1.0, 2.0 or 3.0, found 1.1")]
    [InlineData("934e554d5059010076", 9L, 9L, "expected 10 bytes of .npy prefix, found 9")]
    [InlineData("934e554d505901007600", 127L, 8L,
            "expected a .npy header of 118 bytes behind the prefix, found 117 in the object; it was cut short")]
    [InlineData("934e554d50590200ffffffff", 1L << 40, 8L, "expected a .npy header of at most 1048576 bytes, found a length of 4294967295")]
    public void RequiredLength_HostilePrefix_IsRefused(string hex, long objectLength, long offset, string expected)
    {
        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.RequiredLength(Convert.FromHexString(hex), objectLength, Uri));

        Assert.Equal((ErrorKind.InvalidData, offset), (e.Kind, e.Offset!.Value));
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> HostileTexts => new()
    {
        { "", "expected '{' for the header's dictionary, found the end" },
        { "[]", "expected '{' for the header's dictionary, found \"[\"" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), ", "expected a header key, found the end" },
        { "{'descr': '<f4", "expected the end of a string, found the end" },
        { Good + " import os", "expected nothing more, found \"i\"" },
        { Good + " # one\n # two\n three", "expected nothing more, found \"t\"" },
        { "{'descr': '<f4', 'fortran_order': False}", "expected the keys descr, fortran_order and shape, found none named shape" },
        { "{}", "found none named descr, fortran_order, shape" },
        { "{'descr': '<f4', 'descr': '<f8'}", "found none named fortran_order, shape" },
        { "{'descr': '<f4', 'descr': '|O'}", "expected elements of plain data, found \"|O\"" },
        { "{'descr': '<f4', 'x': 1}", "expected the keys descr, fortran_order and shape, found \"x\"" },
        { "{'fortran_order': 1}", "expected True or False for fortran_order, found \"1\"" },
        { "{'fortran_order': Falsehood}", "expected True or False for fortran_order, found \"F\"" },
        { "{'shape': [3]}", "expected '(' for the shape's tuple, found \"[\"" },
        { "{'shape': (3)}", "expected the ',' that makes a tuple of one dimension, found \")\"" },
        { "{'shape': (-3,)}", "expected a dimension of 0 or more, found \"-\"" },
        { "{'shape': (3.0,)}", "expected a dimension in plain decimal digits, found \".\"" },
        { "{'shape': (1e3,)}", "expected a dimension in plain decimal digits, found \"e\"" },
        { "{'shape': (0x10,)}", "expected a dimension in plain decimal digits, found \"x\"" },
        { "{'shape': (1_0,)}", "expected a dimension in plain decimal digits, found \"_\"" },
        { "{'shape': (010,)}", "expected a dimension without leading zeros" },
        { "{'shape': (True,)}", "expected a dimension of 0 or more, found \"T\"" },
        { "{'shape': (NaN,)}", "expected a dimension of 0 or more, found \"N\"" },
        { "{'shape': (9223372036854775808,)}", "expected a dimension below 2^63, found a larger number" },
        { "{'shape': (" + string.Join(',', Enumerable.Repeat("1", 65)) + ")}", "expected at most 64 dimensions, found more" },
        { Good.Replace("(3,)", "(4294967296, 4294967296)"), "expected fewer than 2^63 elements, found the shape (4294967296, 4294967296)" },
        { Good.Replace("(3,)", "(0, 4294967296, 4294967296)"),
            "expected fewer than 2^63 elements, found the shape (0, 4294967296, 4294967296)" },
        { "{'descr': '|O'}", "expected elements of plain data, found \"|O\", whose elements are Python objects" },
        { "{'descr': 'i4,O'}", "expected elements of plain data, found \"i4,O\"" },
        { "{'descr': 'Object'}", "expected elements of plain data, found \"Object\"" },
        { "{'descr': '|\\x4f'}", "expected elements of plain data, found \"|\\\\x4f\"" },
        { "{'descr': [('a', '|O')]}", "expected elements of plain data, found \"|O\"" },
        { "{'descr': ('|O', (2,))}", "expected elements of plain data, found \"|O\"" },
        { "{'descr': [('a', [('b', ('O', 3))])]}", "expected elements of plain data, found \"O\"" },
        { "{'descr': 4}", "expected a type string, a subarray tuple or a list of fields, found \"4\"" },
        { "{'descr': b'<f4'}", "expected a type string, a subarray tuple or a list of fields, found \"b\"" },
        { "{'descr': __import__('os')}", "expected a type string, a subarray tuple or a list of fields, found \"_\"" },
        { "{'descr': '<f' b'4'}", "expected '}' for the end of the header's dictionary, found \"b\"" },
        { "{'descr': ur'<f4'}", "expected a type string, a subarray tuple or a list of fields, found \"u\"" },
        { "{'descr': u'|' r'O'}", "expected elements of plain data, found \"|O\"" },
        { "{'descr': '|\\117'}", "expected elements of plain data, found \"|O\"" },
        { "{'descr': r'|\\x4f'}", "expected elements of plain data" },
        { "{'descr': '''<f4'", "expected the end of a string, found the end" },
        { "{'descr': r'<f4\\'}", "expected the end of a string, found the end" },
        { "{'descr': '<f4\\", "expected an escape that Python's repr writes, found another" },
        { "{'descr': # '<f4'", "expected a type string, a subarray tuple or a list of fields, found the end" },
        { "{'descr': \\ '<f4'}", "expected a type string, a subarray tuple or a list of fields" },
        { "{'descr': ['<f4']}", "expected '(' for a field's tuple, found \"'\"" },
        { "{'descr': [('a',)]}", "expected a type string, a subarray tuple or a list of fields, found \")\"" },
        { "{'descr': [('a', '<f4', (2,), 1)]}", "expected ')' for the end of a field, found \"1\"" },
        { "{'descr': '\\N{DEGREE SIGN}'}", "expected an escape that Python's repr writes, found another" },
        { "{'descr': '\\U00110000'}", "expected an escape of at most U+10FFFF, found a larger one" },
        { "{'descr': '\\xg0'}", "expected a hexadecimal digit of an escape, found \"g\"" },
        { "{'descr': 'a\nb'}", "expected a string without control characters, found \"\\u000a\"" },
        { "{'descr': " + string.Concat(Enumerable.Repeat("[('a', ", 40)), "expected types nested at most 32 deep, found more" },
        { "{'descr': " + new string('(', 500_000 / 10), "expected types nested at most 32 deep, found more" },
        { Good.Replace("<f4", "|V2") + " # s3dlio-dtype: bf-16",
            "expected 1 to 64 letters, digits or underscores as the s3dlio-dtype, found \"bf-16\"" },
        { Good.Replace("<f4", "|V2") + " # s3dlio-dtype:",
            "expected 1 to 64 letters, digits or underscores as the s3dlio-dtype, found \"\"" },
        { Good + " # s3dlio-dtype: bfloat16", "expected descr '|V1', '|V2', ... for the s3dlio-dtype \"bfloat16\", found \"'<f4'\"" },
    };

    [Theory]
    [MemberData(nameof(HostileTexts))]
    public void Parse_HostileText_IsRefused(string text, string expected)
    {
        byte[] head = NpyHeaderTests.Version1(text);

        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.Parse(head, head.Length, Uri));

        Assert.Equal(ErrorKind.InvalidData, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
        Assert.InRange(e.Offset!.Value, 10, head.Length);
    }

    [Theory]
    [InlineData("{'descr': [('\u65e5', '|O')]}", 12 + 19, "expected elements of plain data")]
    [InlineData("{'shape': (3L,)}", 12 + 12, "expected a dimension in plain decimal digits, found \"L\"")]
    public void Parse_FaultInVersion3_IsPlacedInBytes(string text, long offset, string expected)
    {
        byte[] head = Version3(Encoding.UTF8.GetBytes(text));

        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.Parse(head, head.Length, Uri));

        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
        Assert.Equal(offset, e.Offset);
    }

    [Fact]
    public void Parse_BadUtf8InVersion3_IsRefused()
    {
        byte[] head = Version3([(byte)'{', (byte)'\'', 0xc3, (byte)'\'']);

        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.Parse(head, head.Length, Uri));

        Assert.Contains("expected UTF-8 in a .npy 3.0 header, found a malformed sequence", e.Detail, StringComparison.Ordinal);
        Assert.Equal(14, e.Offset);
    }

    [Fact]
    public void Parse_AnyByteReplaced_NeverFailsOtherwise()
    {
        byte[] head = NpyHeader.Build("[('a', '<i4'), ('b', '|V2', (2,))]", false, [3, 4], null, Uri);
        for (int at = 0; at < head.Length; at++)
        {
            byte kept = head[at];
            for (int value = 0; value < 256; value++)
            {
                head[at] = (byte)value;
                try
                {
                    NpyHeader.Parse(head, head.Length, Uri);
                }
                catch (StoreException e) when (e.Kind == ErrorKind.InvalidData)
                {
                }
            }
            head[at] = kept;
        }
        Assert.Equal([3, 4], NpyHeader.Parse(head, head.Length, Uri).Shape);
    }

    static byte[] Version3(byte[] text) => [0x93, .. "NUMPY"u8, 3, 0, (byte)text.Length, 0, 0, 0, .. text];
}
