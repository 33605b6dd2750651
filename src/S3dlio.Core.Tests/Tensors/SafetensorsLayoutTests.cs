using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

public sealed class SafetensorsLayoutTests
{
    const string Uri = "mem://b/m.safetensors";

    static string Json(SafetensorsLayout layout) => Encoding.UTF8.GetString(layout.BuildHead([])[8..]);

    static SafetensorsLayout Plain(IReadOnlyDictionary<string, string>? metadata, params TensorSpec[] tensors) =>
        SafetensorsLayout.Create(tensors, metadata, checksums: false, Uri);

    [Fact]
    public void BuildHead_OneTensor_IsTheReferencesBytes()
    {
        SafetensorsLayout layout = Plain(null, new TensorSpec("test", DType.I32, [2, 2]));

        Assert.Equal("""{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""" + "    ", Json(layout));
        Assert.Equal([64, 0, 0, 0, 0, 0, 0, 0], layout.BuildHead([])[..8]);
        Assert.Equal((72, 16L, 88L), (layout.HeadLength, layout.DataLength, layout.ObjectLength));
    }

    [Fact]
    public void BuildHead_Metadata_StandsFirstAndSorted()
    {
        var metadata = new Dictionary<string, string>
        {
            ["\uff21"] = "2",
            ["\U0001f600"] = "3",
            ["Z"] = "1",
            ["a"] = "\"\\\b\f\n\r\t\u0000\u001f\u007f/\u00e9"
        };

        string json = Json(Plain(metadata, new TensorSpec("s", DType.F32, [])));

        Assert.Equal(
            "{\"__metadata__\":{\"Z\":\"1\",\"a\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\u007f/\u00e9\",\"\uff21\":\"2\",\"\U0001f600\":\"3\"}," +
            "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", json.TrimEnd(' '));
    }

    [Fact]
    public void BuildHead_NoTensors_IsAnObject()
    {
        Assert.Equal("{}      ", Json(Plain(null)));
        Assert.Equal("""{"__metadata__":{}}     """, Json(Plain(new Dictionary<string, string>())));
    }

    [Fact]
    public void Create_ManyTensors_SortsByTypeDownwardsThenByUtf8()
    {
        SafetensorsLayout layout = Plain(null,
            new("b", DType.U8, [3]), new("\U0001f600", DType.U64, [1]), new("\uff21", DType.U64, [1]), new("a", DType.U8, [1]),
            new("B", DType.U8, [0]), new("x", DType.Bool, [1]), new("h", DType.BF16, [2]));

        Assert.Equal(["\uff21", "\U0001f600", "h", "B", "a", "b", "x"], layout.Tensors.Select(t => t.Name));
        Assert.Equal([2, 1, 6, 4, 3, 0, 5], layout.Sources);
        Assert.Equal([0L, 8, 16, 20, 20, 21, 24], layout.Tensors.Select(t => t.Begin));
        Assert.Equal(25, layout.DataLength);
    }

    [Fact]
    public void Create_EveryType_ComesBack()
    {
        DType[] types = Enum.GetValues<DType>();
        TensorSpec[] specs = [.. types.Select(t => new TensorSpec(t.Name(), t, [4, 2]))];
        SafetensorsLayout layout = SafetensorsLayout.Create(specs, null, checksums: true, Uri);
        Checksum[] checksums = [.. layout.Tensors.Select((_, i) => new Checksum((uint)i * 0x01234567))];

        SafetensorsHeader read = SafetensorsHeader.Parse(layout.BuildHead(checksums), layout.ObjectLength, Uri);

        Assert.Equal(types.Reverse(), read.Tensors.Select(t => t.DType));
        Assert.All(read.Tensors, t => Assert.Equal(t.DType.Name(), t.Name));
        Assert.Equal(checksums.Select(c => (Checksum?)c), read.Tensors.Select(t => t.Checksum));
        Assert.Equal(DTypes.Count, types.Length);
    }

    [Fact]
    public void BuildHead_Checksums_HaveTheirPlace()
    {
        SafetensorsLayout layout = SafetensorsLayout.Create(
            [new("w", DType.U8, [9]), new("a\"b", DType.F32, [0])], new Dictionary<string, string> { ["format"] = "pt", ["z"] = "" },
            checksums: true, Uri);

        byte[] head = layout.BuildHead([Checksum.Of([]), Checksum.Of("123456789"u8)]);

        string json = Encoding.UTF8.GetString(head[8..]);
        string crc = json[(json.IndexOf("\"s3dlio.crc32c\":\"", StringComparison.Ordinal) + 17)..][..15];
        Assert.Equal(
            "{\"__metadata__\":{\"format\":\"pt\",\"s3dlio.crc32c\":\"" + crc + "\",\"s3dlio.crc32c/a\\\"b\":\"crc32c:00000000\"," +
            "\"s3dlio.crc32c/w\":\"crc32c:e3069283\",\"s3dlio.format\":\"1\",\"z\":\"\"}," +
            "\"a\\\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"w\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}",
            json.TrimEnd(' '));
        Assert.Equal(crc, Checksum.Of(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(head).Replace(crc, "crc32c:00000000"))).ToString());
        Assert.Equal(layout.HeadLength, head.Length);

        SafetensorsHeader read = SafetensorsHeader.Parse(head, layout.ObjectLength, Uri);
        Assert.True(read.HasChecksums);
        Assert.Equal(new Dictionary<string, string> { ["format"] = "pt", ["z"] = "" }, read.Metadata);
        Assert.Equal(0xe3069283, read.Tensors[1].Checksum!.Value.Value);
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "twice", "expected each name once, found \"a\" again" },
        { "metadata name", "expected a tensor's name, found __metadata__" },
        { "surrogate", "expected whole characters in the name of a tensor, found half of a surrogate pair" },
        { "surrogate value", "expected whole characters in a metadata value, found half of a surrogate pair" },
        { "negative", "tensor \"a\": expected dimensions of 0 or more, found the shape (-1,)" },
        { "overflow", "tensor \"a\": expected fewer than 2^63 elements" },
        { "nibble", "tensor \"a\": expected a whole number of bytes, found 1 elements of 4 bits (F4)" },
        { "rank", "expected at most 64 dimensions of tensor \"a\", found 65" },
        { "dtype", "expected a known dtype for tensor \"a\", found 99" },
        { "own key", "expected metadata keys of the user's own, found \"s3dlio.x\"" },
        { "long name", "expected names of at most 65536 bytes, found \"nnn" },
        { "long header", "expected a header of at most 100000000 bytes, found more" },
        { "long data", "expected fewer than 2^63 bytes in all, found more with tensor \"h\"" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Create_WhatNoFileCanHold_IsRefused(string what, string expected)
    {
        var metadata = new Dictionary<string, string>();
        TensorSpec[] tensors = what switch
        {
            "twice" => [new("a", DType.U8, [1]), new("a", DType.F32, [1])],
            "metadata name" => [new("__metadata__", DType.U8, [1])],
            "surrogate" => [new("\ud800", DType.U8, [1])],
            "negative" => [new("a", DType.U8, [-1])],
            "overflow" => [new("a", DType.U8, [1L << 32, 1L << 32])],
            "nibble" => [new("a", DType.F4, [1])],
            "rank" => [new("a", DType.U8, [.. Enumerable.Repeat(1L, 65)])],
            "dtype" => [new("a", (DType)99, [1])],
            "long name" => [new(new string('n', 65_537), DType.U8, [1])],
            // 2^60 - 1 bytes fit a tensor, eight of them and the longest header not a file
            "long data" => [.. "abcdefghi".Select(c => new TensorSpec(c.ToString(), DType.U8, [(1L << 60) - 1]))],
            _ => [],
        };
        if (what == "own key")
            metadata["s3dlio.x"] = "";
        if (what == "surrogate value")
            metadata["k"] = "\udc00";
        if (what == "long header")
            metadata["k"] = new string('v', SafetensorsHeader.MaxHeaderLength);

        StoreException e = Assert.Throws<StoreException>(() => SafetensorsLayout.Create(tensors, metadata, checksums: false, Uri));

        Assert.Equal(ErrorKind.InvalidArgument, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    [InlineData(true, 2)]
    public void BuildHead_WrongNumberOfChecksums_IsRefused(bool checksums, int count)
    {
        SafetensorsLayout layout = SafetensorsLayout.Create([new("a", DType.U8, [1])], null, checksums, Uri);

        Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => layout.BuildHead(new Checksum[count])).Kind);
    }
}
