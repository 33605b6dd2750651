using System.Buffers.Binary;
using System.Text;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

public sealed class SafetensorsHeaderTests
{
    const string Uri = "mem://b/m.safetensors";

    // safetensors' own documentation sample, not padded
    const string Sample = """{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""";

    internal static byte[] Head(byte[] json)
    {
        byte[] head = new byte[8 + json.Length];
        BinaryPrimitives.WriteInt64LittleEndian(head, json.Length);
        json.CopyTo(head, 8);
        return head;
    }

    static byte[] Head(string json) => Head(Encoding.UTF8.GetBytes(json));

    static SafetensorsHeader Parse(string json, long dataLength)
    {
        byte[] head = Head(json);
        return SafetensorsHeader.Parse(head, head.Length + dataLength, Uri);
    }

    [Fact]
    public void Parse_Sample_GivesTheTensor()
    {
        SafetensorsHeader header = Parse(Sample, 16);

        TensorEntry tensor = Assert.Single(header.Tensors);
        Assert.Equal(("test", DType.I32, 0L, 16L, 16L), (tensor.Name, tensor.DType, tensor.Begin, tensor.End, tensor.Length));
        Assert.Equal([2, 2], tensor.Shape);
        Assert.Null(tensor.Checksum);
        Assert.Equal(8 + Sample.Length, header.DataOffset);
        Assert.False(header.HasChecksums);
        Assert.Empty(header.Metadata);
    }

    [Fact]
    public void Parse_AnyOrderAndWhiteSpace_SortsByOffset()
    {
        SafetensorsHeader header = Parse("""
             {"b" : {"data_offsets":[8,16],"shape":[2],"dtype":"F32"}, "e":{"dtype":"U8","shape":[0],"data_offsets":[8,8]},
              "a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}, "__metadata__":{"k\u00e9\ud83d\ude00":"v\n","":""}}
            """ + " \t\r\n", 16);

        Assert.Equal(["a", "e", "b"], header.Tensors.Select(t => t.Name));
        Assert.Equal("v\n", header.Metadata["k\u00e9\U0001f600"]);
        Assert.Equal("", header.Metadata[""]);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"__metadata__":{}}""")]
    [InlineData("""{"__metadata__":null}""")]
    public void Parse_NoTensors_IsAFile(string json) => Assert.Empty(Parse(json, 0).Tensors);

    [Fact]
    public void Parse_SubByteTypes_CountBits()
    {
        SafetensorsHeader header = Parse(
            """{"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]},"b":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[3,6]}}""", 6);

        Assert.Equal([3L, 3L], header.Tensors.Select(t => t.Length));
    }

    [Theory]
    [InlineData("", 0L, 0L, "expected the 8 bytes of a safetensors header length, found 0")]
    [InlineData("01000000000000", 7L, 7L, "expected the 8 bytes of a safetensors header length, found 7")]
    [InlineData("01e1f50500000000", 1L << 40, 0L, "expected a safetensors header of at most 100000000 bytes, found a length of 100000001")]
    [InlineData("ffffffffffffffff", long.MaxValue, 0L,
            "expected a safetensors header of at most 100000000 bytes, found a length of 18446744073709551615")]
    [InlineData("0000000000000080", 100L, 0L, "found a length of 9223372036854775808")]
    [InlineData("5d00000000000000", 100L, 0L,
            "expected a safetensors header of 93 bytes, found 92 behind its length; the object was cut short")]
    public void RequiredLength_HostilePrefix_IsRefused(string hex, long objectLength, long offset, string expected)
    {
        StoreException e = Assert.Throws<StoreException>(
            () => SafetensorsHeader.RequiredLength(Convert.FromHexString(hex), objectLength, Uri));

        Assert.Equal((ErrorKind.InvalidData, offset), (e.Kind, e.Offset!.Value));
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }

    static string One(string dtype, string shape, string offsets) =>
        $$$"""{"t":{"dtype":{{{dtype}}},"shape":{{{shape}}},"data_offsets":{{{offsets}}}}}""";

    public static TheoryData<string, long, string> Hostile => new()
    {
        // JSON
        { "", 0, "expected strict JSON in the safetensors header, found a fault (The input does not contain any JSON tokens" },
        { "   ", 0, "expected strict JSON in the safetensors header, found a fault (The input does not contain any JSON tokens" },
        { "{", 0, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample[..^1], 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample + "}", 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample + "\0", 16, "expected strict JSON in the safetensors header, found a fault (" },
        { "\ufeff" + Sample, 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample + "// c", 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample.Replace("}}", ",}}"), 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample.Replace("2]", "2,]"), 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample.Replace("test", "te\nst"), 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample.Replace("test", "\\x41"), 16, "expected strict JSON in the safetensors header, found a fault (" },
        { Sample.Replace("test", "\\ud800"), 16, "expected whole characters in the name of a tensor, found half of a surrogate pair" },
        { Sample.Replace("test", "\\udc00\\ud800"), 16,
            "expected whole characters in the name of a tensor, found half of a surrogate pair" },
        { "[]", 0, "expected the header's object, found an array" },
        { "null", 0, "expected the header's object, found null" },
        { "\"x\"", 0, "expected the header's object, found a string" },
        { new string('[', 100_000), 0, "expected the header's object, found an array" },
        { One("\"U8\"", "[" + new string('[', 100_000), "[0,0]"), 0,
            "expected strict JSON in the safetensors header, found a fault (The maximum configured depth of 3 has been exceeded" },
        { One("\"U8\"", "[[1]]", "[0,1]"), 1, "found a fault (The maximum configured depth of 3" },
        // metadata
        { """{"__metadata__":[]}""", 0, "expected the object of __metadata__, found an array" },
        { """{"__metadata__":null,"__metadata__":null}""", 0, "expected each name once, found \"__metadata__\" again" },
        { """{"__metadata__":{"a":1}}""", 0, "expected a string as __metadata__ entry \"a\", found a number" },
        { """{"__metadata__":{"a":{"b":"c"}}}""", 0, "expected a string as __metadata__ entry \"a\", found an object" },
        { """{"__metadata__":{"a":"1","\u0061":"2"}}""", 0, "expected each key of __metadata__ once, found \"a\" again" },
        { """{"__metadata__":{},"__metadata__":{}}""", 0, "expected each name once, found \"__metadata__\" again" },
        { """{"__metadata__":{"a":"\udfff"}}""", 0,
            "expected whole characters in a string in __metadata__, found half of a surrogate pair" },
        // fields
        { """{"t":[]}""", 0, "expected the object of tensor \"t\", found an array" },
        { """{"t":{}}""", 0, "expected the fields dtype, shape and data_offsets of tensor \"t\", found no dtype" },
        { """{"t":{"dtype":"U8","data_offsets":[0,1]}}""", 1, "found no shape" },
        { """{"t":{"dtype":"U8","shape":[1]}}""", 1, "found no data_offsets" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0}}""", 1,
            "expected the fields dtype, shape and data_offsets of tensor \"t\", found \"x\"" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"dtype":"U8"}}""", 1,
            "expected each field of tensor \"t\" once, found dtype again" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"sh\u0061pe":[1]}}""", 1,
            "expected each field of tensor \"t\" once, found shape again" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0074":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2,
            "expected each name once, found \"t\" again" },
        // dtype
        { One("\"C128\"", "[1]", "[0,16]"), 16,
            "expected a dtype that safetensors 0.8 knows for tensor \"t\", found \"C128\"; update s3dlio" },
        { One("\"f32\"", "[1]", "[0,4]"), 4, "found \"f32\"" },
        { One("5", "[1]", "[0,4]"), 4, "expected a string as dtype of tensor \"t\", found a number" },
        // numbers
        { One("\"U8\"", "[-1]", "[0,1]"), 1, "expected integers from 0 to 2^63-1 in the shape of tensor \"t\", found \"-1\"" },
        { One("\"U8\"", "[-0]", "[0,0]"), 0, "found \"-0\"" },
        { One("\"U8\"", "[1.0]", "[0,1]"), 1, "found \"1.0\"" },
        { One("\"U8\"", "[1e0]", "[0,1]"), 1, "found \"1e0\"" },
        { One("\"U8\"", "[01]", "[0,1]"), 1, "expected strict JSON" },
        { One("\"U8\"", "[0x1]", "[0,1]"), 1, "expected strict JSON" },
        { One("\"U8\"", "[NaN]", "[0,1]"), 1, "expected strict JSON" },
        { One("\"U8\"", "[Infinity]", "[0,1]"), 1, "expected strict JSON" },
        { One("\"U8\"", "[true]", "[0,1]"), 1, "expected integers in the shape of tensor \"t\", found a boolean" },
        { One("\"U8\"", "[\"1\"]", "[0,1]"), 1, "expected integers in the shape of tensor \"t\", found a string" },
        { One("\"U8\"", "1", "[0,1]"), 1, "expected an array as the shape of tensor \"t\", found a number" },
        { One("\"U8\"", "[9223372036854775808]", "[0,1]"), 1, "found \"9223372036854775808\"" },
        { One("\"U8\"", "[99999999999999999999999]", "[0,1]"), 1, "found \"99999999999999999999999\"" },
        { One("\"U8\"", "[" + string.Join(',', Enumerable.Repeat("1", 65)) + "]", "[0,1]"), 1,
            "expected at most 64 numbers in the shape of tensor \"t\", found more" },
        // sizes
        { One("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0,
            "tensor \"t\": expected fewer than 2^63 elements, found the shape (4294967296, 4294967296)" },
        { One("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), 0, "tensor \"t\": expected fewer than 2^63 elements" },
        { One("\"F64\"", "[1152921504606846976]", "[0,0]"), 0,
            "tensor \"t\": expected fewer than 2^63 bits, found the shape (1152921504606846976,) of F64" },
        { One("\"F4\"", "[3]", "[0,2]"), 2, "tensor \"t\": expected a whole number of bytes, found 3 elements of 4 bits (F4)" },
        { One("\"F32\"", "[2]", "[0,4]"), 4, "expected 8 bytes for tensor \"t\" of F32 (2,), found data_offsets 0 to 4, 4 bytes" },
        { One("\"F32\"", "[]", "[0,0]"), 0, "expected 4 bytes for tensor \"t\" of F32 (), found data_offsets 0 to 0, 0 bytes" },
        // places
        { One("\"U8\"", "[1]", "[0]"), 1, "expected begin and end as data_offsets of tensor \"t\", found 1 numbers" },
        { One("\"U8\"", "[1]", "[0,1,2]"), 1, "expected at most 2 numbers in the data_offsets of tensor \"t\", found more" },
        { One("\"U8\"", "[1]", "[1,0]"), 1, "expected data_offsets of tensor \"t\" that end at or behind their begin, found 1 to 0" },
        { One("\"U8\"", "[1]", "[1,2]"), 2, "expected tensor \"t\" to begin at data byte 0, found 1, a hole" },
        { One("\"U8\"", "[0]", "[9223372036854775807,9223372036854775807]"), 0,
            "expected tensor \"t\" to begin at data byte 0, found 9223372036854775807, a hole" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5,
            "expected tensor \"b\" to begin at data byte 2, found 3, a hole" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3,
            "expected tensor \"b\" to begin at data byte 2, found 1, an overlap" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2,
            "expected tensor \"b\" to begin at data byte 2, found 0, an overlap" },
        { Sample, 15, "expected 16 bytes of data behind the header, found 15: the object was cut short" },
        { Sample, 17, "expected 16 bytes of data behind the header, found 17: there are bytes that belong to no tensor" },
        { "{}", 1, "expected 0 bytes of data behind the header, found 1" },
        // names
        { Sample.Replace("test", new string('n', 65_537)), 16, "expected names of at most 65536 bytes, found \"nnnn" },
        { Sample.Replace("test", "\\u001b[2J\\u202e").Replace("I32", "?"), 16, "for tensor \"\\u001b[2J\\u202e\", found \"?\"" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Parse_HostileHeader_IsRefused(string json, long dataLength, string expected)
    {
        StoreException e = Assert.Throws<StoreException>(() => Parse(json, dataLength));

        Assert.Equal(ErrorKind.InvalidData, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
        Assert.StartsWith(Uri, e.Message, StringComparison.Ordinal);
        Assert.InRange(e.Message.Length, 1, 600);
        Assert.NotNull(e.Offset);
    }

    [Theory]
    [InlineData(0xff, 0xfe)]
    [InlineData(0xc0, 0xaf)]
    [InlineData(0xed, 0xa0)]
    [InlineData(0xc3, '"')]
    public void Parse_BadUtf8_IsRefusedWhereItStands(int first, int second)
    {
        byte[] json = Encoding.UTF8.GetBytes(Sample);
        (json[2], json[3]) = ((byte)first, (byte)second);
        byte[] head = Head(json);

        StoreException e = Assert.Throws<StoreException>(() => SafetensorsHeader.Parse(head, head.Length + 16, Uri));

        Assert.Equal((ErrorKind.InvalidData, 10L), (e.Kind, e.Offset!.Value));
        Assert.Contains("expected UTF-8 in the safetensors header, found a malformed sequence", e.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_HeadOfAnotherLength_IsTheCallersFault()
    {
        byte[] head = [.. Head(Sample), 0];

        StoreException e = Assert.Throws<StoreException>(() => SafetensorsHeader.Parse(head, head.Length + 15, Uri));

        Assert.Equal(ErrorKind.InvalidArgument, e.Kind);
    }

    [Fact]
    public void Parse_TooManyTensors_IsRefused()
    {
        var json = new StringBuilder("{");
        for (int i = 0; i <= SafetensorsHeader.MaxTensors; i++)
            json.Append(i == 0 ? "" : ",").Append('"').Append(i).Append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");

        StoreException e = Assert.Throws<StoreException>(() => Parse(json.Append('}').ToString(), 0));

        Assert.Contains("expected at most 1000000 tensors, found more", e.Detail, StringComparison.Ordinal);
    }
}
