using System.Text;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

public sealed class NpyHeaderTests
{
    const string Uri = "mem://b/a.npy";

    // what np.save of NumPy 1.24 writes for such arrays
    public static TheoryData<string, bool, long[], int, string> NumPyHeaders => new()
    {
        { "'<f4'", false, [], 62, "\u0093NUMPY\u0001\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }" },
        { "'<f4'", false, [3], 60, "\u0093NUMPY\u0001\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }" },
        { "'>i8'", false, [3, 4], 58, "\u0093NUMPY\u0001\0v\0{'descr': '>i8', 'fortran_order': False, 'shape': (3, 4), }" },
        { "'<f8'", true, [3, 4], 59, "\u0093NUMPY\u0001\0v\0{'descr': '<f8', 'fortran_order': True, 'shape': (3, 4), }" },
        { "'<U3'", false, [0], 60, "\u0093NUMPY\u0001\0v\0{'descr': '<U3', 'fortran_order': False, 'shape': (0,), }" },
        {
            "[('a', '<i4'), ('b', '<f8', (2,))]", false, [2], 31,
            "\u0093NUMPY\u0001\0v\0{'descr': [('a', '<i4'), ('b', '<f8', (2,))], 'fortran_order': False, 'shape': (2,), }"
        },
        {
            "[('\u00e9', '<i4')]", false, [2], 51,
            "\u0093NUMPY\u0001\0v\0{'descr': [('\u00e9', '<i4')], 'fortran_order': False, 'shape': (2,), }"
        },
        {
            "[('\u65e5', '<i4')]", false, [2], 47,
            "\u0093NUMPY\u0003\0t\0\0\0{'descr': [('\u00e6\u0097\u00a5', '<i4')], 'fortran_order': False, 'shape': (2,), }"
        },
        {
            "'|b1'", false, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 33,
            "\u0093NUMPY\u0001\0v\0{'descr': '|b1', 'fortran_order': False, 'shape': (1, 2, 3, 4, 5, 6, 7, 8, 9, 10), }"
        },
    };

    [Theory]
    [MemberData(nameof(NumPyHeaders))]
    public void Build_ShapesAndTypes_WritesNumPysBytes(string descr, bool fortran, long[] shape, int spaces, string start)
    {
        byte[] expected = Encoding.Latin1.GetBytes(start + new string(' ', spaces) + "\n");

        byte[] head = NpyHeader.Build(descr, fortran, shape, null, Uri);

        Assert.Equal(expected, head);
        NpyHeader read = NpyHeader.Parse(head, head.Length, Uri);
        Assert.Equal((descr, fortran, head.Length, null), (read.Descr, read.FortranOrder, read.DataOffset, read.ExtensionType));
        Assert.Equal(shape, read.Shape);
    }

    // NumPy gives a text that is aligned already 64 bytes more: a name of 31 letters takes 128 bytes, one of 32 takes 192
    [Theory]
    [InlineData(31, 128)]
    [InlineData(32, 192)]
    [InlineData(79, 192)]
    public void Build_AtTheAlignment_PadsAsNumPyDoes(int nameLength, int expected) =>
        Assert.Equal(expected, NpyHeader.Build($"[('{new string('a', nameLength)}', '<i4')]", false, [2], null, Uri).Length);

    [Fact]
    public void Build_LongDescr_WritesVersion2()
    {
        string descr = "[" + string.Join(", ", Enumerable.Range(0, 4000).Select(i => $"('f{i:d5}', '<i4')")) + "]";

        byte[] head = NpyHeader.Build(descr, false, [1], null, Uri);

        Assert.Equal(76096, head.Length);
        Assert.Equal([2, 0, 0x34, 0x29, 1, 0], head[6..12]);
        Assert.Equal(descr, NpyHeader.Parse(head, head.Length, Uri).Descr);
    }

    [Fact]
    public void Build_ExtensionType_IsAComment()
    {
        byte[] head = NpyHeader.Build("'|V2'", false, [3], "bfloat16", Uri);

        string text = Encoding.Latin1.GetString(head, 10, head.Length - 10);
        Assert.Equal("{'descr': '|V2', 'fortran_order': False, 'shape': (3,), } # s3dlio-dtype: bfloat16", text.TrimEnd());
        Assert.Equal(128, head.Length);
        NpyHeader read = NpyHeader.Parse(head, head.Length + 6, Uri);
        Assert.Equal(("'|V2'", "bfloat16"), (read.Descr, read.ExtensionType));
        Assert.Equal(6, read.DataLength(2, head.Length + 6, Uri));
    }

    [Theory]
    [InlineData("'<f4'", new long[] { -1 }, null, "expected dimensions of 0 or more, found the shape (-1,)")]
    [InlineData("'<f4'", new long[] { 1L << 32, 1L << 31 }, null,
            "expected fewer than 2^63 elements, found the shape (4294967296, 2147483648)")]
    [InlineData("'|O'", new long[0], null, "expected elements of plain data, found \"|O\"")]
    [InlineData("'<f4', 'x': 1", new long[0], null, "expected nothing more, found \",\" at character 5 of the descr")]
    [InlineData(" '<f4'", new long[0], null, "expected no white space around the descr")]
    [InlineData("'|V2'", new long[0], "bfloat 16",
            "expected 1 to 64 letters, digits or underscores as extension type, found \"bfloat 16\"")]
    [InlineData("'<f4'", new long[0], "bfloat16", "expected descr '|V1', '|V2', ... for the extension type bfloat16, found \"'<f4'\"")]
    public void Build_WrongArguments_AreRefused(string descr, long[] shape, string? extension, string expected)
    {
        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.Build(descr, false, shape, extension, Uri));

        Assert.Equal(ErrorKind.InvalidArgument, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Build_HalfASurrogatePair_IsRefused()
    {
        StoreException e = Assert.Throws<StoreException>(() => NpyHeader.Build("[('\ud800', '<f4')]", false, [], null, Uri));

        Assert.Contains("expected field names that UTF-8 can hold, found half of a surrogate pair", e.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (10L, 3L), }", "'<f4'", new long[] { 10, 3 })]
    [InlineData("{'shape': (2,), \"fortran_order\": False, 'descr': [('a', '<f4', (2L, 3L)), ('b', '<f8', 4L)]}",
            "[('a', '<f4', (2, 3)), ('b', '<f8', 4)]", new long[] { 2 })]
    [InlineData("  {'descr': '<M8[ns]', 'fortran_order': False, 'shape': ()} # any comment\n", "'<M8[ns]'", new long[0])]
    [InlineData("{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (7,)}", "('<f4', (2,))", new long[] { 7 })]
    [InlineData("{'descr': [(('a title', 'a'), [('x', '|u1')]), ((None, 'b'), '<f4'),], 'fortran_order': False, 'shape': (1,)}",
        "[(('a title', 'a'), [('x', '|u1')]), ((None, 'b'), '<f4'),]", new long[] { 1 })]
    [InlineData("{'descr': [('O', '<i4'), ('\\x00\\'\\u1234', '<i4')], 'fortran_order': False, 'shape': (1,)}",
        "[('O', '<i4'), ('\\x00\\'\\u1234', '<i4')]", new long[] { 1 })]
    [InlineData("{u'descr': u'<f4', U'fortran_order': False, r'shape': (3,)}", "'<f4'", new long[] { 3 })]
    [InlineData("# by hand\n{'descr': # the type\n'<f4', 'fortran_order': # order\n False, 'shape': ( # one\n 3, # two\n 4)} # one\n # "
        + "two\n", "'<f4'", new long[] { 3, 4 })]
    [InlineData("{'descr': [ # fields\n('a', # name\n '<f4'), # end\n], 'fortran_order': False, 'shape': ()}", "[ \n('a', \n '<f4'), \n]",
            new long[0])]
    [InlineData("{'descr': '<f8', 'shape': (1,), 'descr': '<f4', 'fortran_order': True, 'shape': (2,), 'fortran_order': False}", "'<f4'",
            new long[] { 2 })]
    [InlineData("{'desc\\x72': '\\x3cf\\064', 'fortran_order': False, 'sha\\u0070e': (2,)}", "'<f4'", new long[] { 2 })]
    [InlineData("{'descr': '<f' # first\n u'4', 'fortran_order': False, 'shape': ()}", "'<f4'", new long[0])]
    [InlineData("{'descr': [('''a''', '<f4'), (r'\\b', '<f4'), ('\\a\\q\\\n', \"<f4\"), ('\\x00\\'\\u1234', '<f4')], 'fortran_order': "
        + "False, 'shape': (1,)}",
        "[('a', '<f4'), ('\\x5cb', '<f4'), ('\\x07\\x5cq', \"<f4\"), ('\\x00\\'\\u1234', '<f4')]", new long[] { 1 })]
    [InlineData("{'descr': [(\"\"\"a\r\nb\rc\"\"\", '<f4')], 'fortran_order': False, 'shape': ()}", "[('a\\x0ab\\x0ac', '<f4')]",
            new long[0])]
    [InlineData("{'descr': \\\n'<f4', 'fortran_order': False, 'shape': (10L, # L\n 2L)}", "'<f4'", new long[] { 10, 2 })]
    public void Parse_OtherWritersHeaders_AreRead(string text, string descr, long[] shape)
    {
        byte[] head = Version1(text);

        NpyHeader read = NpyHeader.Parse(head, head.Length, Uri);

        Assert.Equal(descr, read.Descr);
        Assert.Equal(shape, read.Shape);
        Assert.Null(read.ExtensionType);
    }

    [Fact]
    public void Parse_EmptyArray_HasNoElements()
    {
        byte[] head = NpyHeader.Build("'<f4'", false, [0, 5], null, Uri);

        Assert.Equal(0, NpyHeader.Parse(head, head.Length, Uri).ElementCount);
    }

    [Fact]
    public void DataLength_ObjectTooShort_SaysWhatIsMissing()
    {
        byte[] head = NpyHeader.Build("'<f4'", false, [1_000_000_000_000], null, Uri);
        NpyHeader read = NpyHeader.Parse(head, 200, Uri);

        StoreException e = Assert.Throws<StoreException>(() => read.DataLength(4, 200, Uri));

        Assert.Equal((ErrorKind.InvalidData, 200L), (e.Kind, e.Offset!.Value));
        Assert.Contains(
            "expected 4000000000000 bytes of data for shape (1000000000000,) of 4-byte items, found 72", e.Detail,
            StringComparison.Ordinal);
    }

    internal static byte[] Version1(string text)
    {
        byte[] body = Encoding.Latin1.GetBytes(text);
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)body.Length, (byte)(body.Length >> 8), .. body];
    }
}
