using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

/// <summary>What the checksums are for: no change of one byte, anywhere in an object, goes unseen.</summary>
public sealed class SafetensorsChecksumTests
{
    const string Uri = "mem://b/m.safetensors";

    static byte[] Write(TensorSpec[] tensors, byte fill, IReadOnlyDictionary<string, string>? metadata = null)
    {
        SafetensorsLayout layout = SafetensorsLayout.Create(tensors, metadata, checksums: true, Uri);
        byte[] data = new byte[layout.DataLength];
        data.AsSpan().Fill(fill);
        Checksum[] checksums = [.. layout.Tensors.Select(t => Checksum.Of(data.AsSpan((int)t.Begin, (int)t.Length)))];
        return [.. layout.BuildHead(checksums), .. data];
    }

    /// <summary>Reads as a reader of a store does, data verified; throws for whatever is wrong.</summary>
    static SafetensorsHeader Read(byte[] content)
    {
        int required = SafetensorsHeader.RequiredLength(content.AsSpan(0, Math.Min(8, content.Length)), content.Length, Uri);
        SafetensorsHeader header = SafetensorsHeader.Parse(content.AsSpan(0, required), content.Length, Uri);
        foreach (TensorEntry t in header.Tensors)
        {
            Checksum found = Checksum.Of(content.AsSpan(header.DataOffset + (int)t.Begin, (int)t.Length));
            if (t.Checksum is Checksum expected && found != expected)
                throw new StoreException(ErrorKind.ChecksumMismatch, Uri, $"tensor {t.Name}: expected {expected}, found {found}");
        }
        return header;
    }

    [Theory]
    // data of spaces would pass for the header's padding if the length grew
    [InlineData("one tensor", ' ')]
    [InlineData("no tensor", 0)]
    [InlineData("two tensors", '}')]
    public void Read_AnyByteReplaced_IsDetected(string what, int fill)
    {
        byte[] content = what switch
        {
            "one tensor" => Write([new("t", DType.U8, [19])], (byte)fill),
            "no tensor" => Write([], (byte)fill),
            // a name that nearly is metadata's, and metadata that nearly is ours
            _ => Write([new("__metadatb__", DType.F32, [2]), new("x", DType.U8, [0])], (byte)fill,
                new Dictionary<string, string> { ["s3dlio/format"] = "1", ["r3dlio.crc32c"] = "crc32c:00000000" }),
        };
        Assert.True(Read(content).HasChecksums);

        for (int at = 0; at < content.Length; at++)
        {
            byte kept = content[at];
            for (int flip = 1; flip < 256; flip++)
            {
                // every other value in the small files, every bit in the larger one
                if (what == "two tensors" && !int.IsPow2(flip))
                    continue;
                content[at] = (byte)(kept ^ flip);
                StoreException? fault = null;
                try
                {
                    Read(content);
                }
                catch (StoreException e)
                {
                    fault = e;
                }
                Assert.True(fault?.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch,
                    $"byte {at} became {content[at]:x2}: {fault?.Message ?? "not detected"}");
            }
            content[at] = kept;
        }
        Read(content);
    }

    [Fact]
    public void Read_EveryTruncation_IsDetected()
    {
        byte[] content = Write([new("t", DType.U8, [5])], 1);
        for (int length = 0; length < content.Length; length++)
            Assert.Equal(ErrorKind.InvalidData, Assert.Throws<StoreException>(() => Read(content[..length])).Kind);
    }

    // changes that leave valid JSON, from a program that does not know our entries or knows them badly
    [Theory]
    [InlineData("crc32c:[0-9a-f]{8}(\",\"s3dlio.crc32c/t)", "crc32c:00000000$1", false, ErrorKind.ChecksumMismatch,
            "expected a header with crc32c:00000000, found crc32c:")]
    [InlineData("\"s3dlio.crc32c\":\"[^\"]*\",", "", false, ErrorKind.ChecksumMismatch,
            "expected the header's checksum as s3dlio.crc32c, found none")]
    [InlineData("(\"s3dlio.crc32c\":\"[^\"]{7})[^\"]*", "${1}ABCDEF01", false, ErrorKind.ChecksumMismatch,
            "expected the header's checksum as s3dlio.crc32c, found \"crc32c:ABCDEF01\"")]
    [InlineData("(\"s3dlio.crc32c\":\")c", "$1\\u0063", false, ErrorKind.ChecksumMismatch,
            "expected the header's checksum as s3dlio.crc32c, found \"crc32c:")]
    [InlineData(",\"s3dlio.format\":\"1\"", "", false, ErrorKind.ChecksumMismatch,
            "expected s3dlio.format beside the other s3dlio entries of __metadata__, found none")]
    [InlineData("(\"s3dlio.format\":\")1", "${1}2", false, ErrorKind.InvalidData, "expected s3dlio.format 1, found \"2\"; update s3dlio")]
    [InlineData("\"shape\":\\[5\\]", "\"shape\":[5,1]", false, ErrorKind.ChecksumMismatch, "expected a header with crc32c:")]
    [InlineData(",\"s3dlio.crc32c/t\":\"[^\"]*\"", "", true, ErrorKind.InvalidData,
            "expected a checksum for every tensor, found none for \"t\"")]
    [InlineData("(\"s3dlio.crc32c/t\":\")[^\"]*", "$1md5:1234", true, ErrorKind.InvalidData,
            "expected a checksum such as crc32c:00000000 for tensor \"t\", found \"md5:1234\"")]
    [InlineData(",\"s3dlio.format", ",\"s3dlio.crc32c/u\":\"crc32c:00000000\",\"s3dlio.format", true, ErrorKind.InvalidData,
            "expected no s3dlio entry but format and checksums of the file's tensors, found \"s3dlio.crc32c/u\"")]
    [InlineData(",\"s3dlio.format", ",\"s3dlio.extra\":\"\",\"s3dlio.format", true, ErrorKind.InvalidData, "found \"s3dlio.extra\"")]
    public void Read_ChangedEntries_AreRefused(string pattern, string replacement, bool resign, ErrorKind kind, string expected)
    {
        byte[] content = Write([new("t", DType.U8, [5])], 1);
        int head = SafetensorsHeader.RequiredLength(content.AsSpan(0, 8), content.Length, Uri);
        string json = Encoding.UTF8.GetString(content, 8, head - 8);
        string changed = System.Text.RegularExpressions.Regex.Replace(json, pattern, replacement);
        Assert.NotEqual(json, changed);
        byte[] bytes = SafetensorsHeaderTests.Head(Encoding.UTF8.GetBytes(changed));
        if (resign)
        {
            int at = bytes.AsSpan().IndexOf("\"s3dlio.crc32c\":\""u8) + 17;
            "crc32c:00000000"u8.CopyTo(bytes.AsSpan(at));
            Encoding.ASCII.GetBytes(Checksum.Of(bytes).ToString(), bytes.AsSpan(at));
        }

        StoreException e = Assert.Throws<StoreException>(() => Read([.. bytes, 1, 1, 1, 1, 1]));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }
}
